package dump

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"sort"
	"time"

	cliflag "k8s.io/component-base/cli/flag"
)

// Ciphers is what a server without a cipher list agrees to under TLS 1.2, found by asking one, per era of Go's defaults.
type Ciphers struct {
	Default  map[string][]string `json:"default"` // Go release whose defaults apply -> IANA names
	Insecure []string            `json:"insecure"`
	Known    []string            `json:"known"`
}

// TLSCiphers shakes hands with a server that has no cipher list, offering one suite at a time, with both kinds of certificate.
// The defaults of older Go releases are what GODEBUG gives back.
func TLSCiphers() *Ciphers {
	certs := []tls.Certificate{certificate(true), certificate(false)}
	c := &Ciphers{Default: map[string][]string{}, Insecure: cliflag.InsecureTLSCipherNames(), Known: cliflag.TLSCipherPossibleValues()}
	for release, debug := range map[string]string{"1.21": "tlsrsakex=1,tls3des=1", "1.22": "tlsrsakex=0,tls3des=1", "1.23": "tlsrsakex=0,tls3des=0"} {
		os.Setenv("GODEBUG", debug)
		var names []string
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			for _, cert := range certs {
				if agree(cert, s.ID) {
					names = append(names, s.Name)
					break
				}
			}
		}
		sort.Strings(names)
		c.Default[release] = names
	}
	os.Unsetenv("GODEBUG")
	sort.Strings(c.Insecure)
	sort.Strings(c.Known)
	return c
}

func agree(cert tls.Certificate, suite uint16) bool {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12}).Handshake()
	b.SetDeadline(time.Now().Add(5 * time.Second))
	client := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
	return client.Handshake() == nil
}

func certificate(rsaKey bool) tls.Certificate {
	var key any
	var pub any
	if rsaKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			Fatal(err)
		}
		key, pub = k, &k.PublicKey
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			Fatal(err)
		}
		key, pub = k, &k.PublicKey
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"x"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	der, err := x509.CreateCertificate(rand.Reader, t, t, pub, key)
	if err != nil {
		Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
