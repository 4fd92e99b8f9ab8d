package guest

import "encoding/hex"

// Secret is the placeholder of a secret that the job was granted: the host puts the secret in as a request leaves. The
// environment variable of the same name holds it, too.
func Secret(name string) (string, error) {
	var placeholder string
	err := ask("env_secret", map[string]any{"name": name}, &placeholder)
	return placeholder, err
}

// Encoding is how [HMAC] writes a digest.
type Encoding string

const (
	// Hex writes hexadecimal digits, without 0x.
	Hex Encoding = "hex"
	// Base64 writes Base64, with padding.
	Base64 Encoding = "base64"
)

// HMAC is the HMAC-SHA256 of bytes under a secret that the job was granted, of at least 16 bytes, in a job whose
// agreement is trust-performer. Placeholders in a text stand for their values. The result is recorded: it is no secret.
func HMAC(secret string, data []byte, encoding Encoding) (string, error) {
	var digest string
	request := map[string]any{"name": secret, "data": "0x" + hex.EncodeToString(data), "encoding": encoding}
	err := ask("env_hmac", request, &digest)
	return digest, err
}
