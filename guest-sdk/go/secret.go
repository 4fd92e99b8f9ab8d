package guest

// Secret is the placeholder of a secret that the job was granted: the host puts the secret in as a request leaves. The
// environment variable of the same name holds it, too.
func Secret(name string) (string, error) {
	var placeholder string
	err := ask("env_secret", map[string]any{"name": name}, &placeholder)
	return placeholder, err
}
