/**
 * This file opens a PFX (PKCS #12) file. Node can use one for TLS but does not give out its key, and Entra wants
 * signatures, not TLS; so node-forge takes the file apart, and Node's own crypto does everything after that.
 *
 * @see RFC 7292
 */
import forge from 'node-forge'

/**
 * @returns the private key (PKCS #8) and all certificates as PEM text
 * @throws when the password or the file is wrong
 */
export function pemOfPfx (bytes: Buffer, password: string): string {
  const asn1 = forge.asn1.fromDer(bytes.toString('binary'))
  const pfx = forge.pkcs12.pkcs12FromAsn1(asn1, password)
  const bags = pfx.safeContents.flatMap(({ safeBags }) => safeBags)
  const pem: string[] = []
  for (const { key, cert } of bags) {
    if (key) pem.push(forge.pki.privateKeyInfoToPem(forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(key))))
    if (cert) pem.push(forge.pki.certificateToPem(cert))
  }
  return pem.join('\n')
}
