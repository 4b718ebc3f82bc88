// kms SOCKET serves the API server's KMS v2 protocol on a Unix socket until it is ended. For tests: the key is in memory.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"k8s.io/kms/pkg/service"
)

type plugin struct{ cipher.AEAD }

func (p plugin) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	nonce := make([]byte, p.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: p.Seal(nonce, nonce, data, nil), KeyID: "key-1"}, nil
}

func (p plugin) Decrypt(_ context.Context, _ string, r *service.DecryptRequest) ([]byte, error) {
	n := p.NonceSize()
	if len(r.Ciphertext) < n {
		return nil, fmt.Errorf("too short")
	}
	return p.Open(nil, r.Ciphertext[:n], r.Ciphertext[n:], nil)
}

func (p plugin) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: "key-1"}, nil
}

func main() {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	panic(service.NewGRPCService(os.Args[1], 5*time.Second, plugin{gcm}).ListenAndServe())
}
