// What a script is told: the task in the environment, the static arguments on standard input.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

type context struct {
	Due       string `json:"due"`
	Arguments []any  `json:"arguments"`
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	network := flag.String("network", env("NETWORK", "mainnet"), "which network")
	flag.Parse()
	var told context
	if err := json.NewDecoder(os.Stdin).Decode(&told); err != nil {
		fmt.Fprintln(os.Stderr, "context:", err)
		os.Exit(2)
	}
	_, hasPath := os.LookupEnv("PATH")
	_, err := os.ReadFile("/etc/passwd")
	json.NewEncoder(os.Stdout).Encode([]any{
		*network, env("TRIGGERX_ATTEMPT", "?"), env("ARGUS_TRIGGER_KIND", "?"), told.Arguments[0], told.Due, hasPath, err != nil,
	})
}
