// Package main is the bare reverse proxy of Go's standard library: no sign-in, no log.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	// Its default keeps two idle connections to an upstream and dials a new one for most requests.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(request *httputil.ProxyRequest) { request.SetURL(upstream) },
	}
	log.Fatal(http.ListenAndServe(os.Args[1], proxy))
}
