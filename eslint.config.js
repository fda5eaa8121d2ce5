import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'coverage/**', '.tap/**', '.emulator/**', '.node24/**'] }),
  { rules: { 'no-console': 'error', 'max-len': ['error', { code: 130, ignoreStrings: true, ignoreUrls: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }] } },
  { files: ['emulator/**', 'demo/**', 'bench/**', 'scripts/**', 'test/**'], rules: { 'no-console': 'off' } }
]
