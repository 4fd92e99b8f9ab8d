// Asks a service that wants a key. The script has a placeholder; the service gets the key.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"argus/guest"
)

func main() {
	guest.Run(func(guest.Context) (any, error) {
		key, err := guest.Secret("API_KEY")
		if err != nil {
			return nil, err
		}
		reply, err := http.Get("https://api.example.com/v1/score?key=" + url.QueryEscape(key))
		if err != nil {
			return nil, err
		}
		defer reply.Body.Close()
		var body struct {
			Score int    `json:"score"`
			For   string `json:"for"`
		}
		if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
			return nil, err
		}
		_, err = guest.Secret("OTHER")
		fmt.Fprintln(os.Stderr, "other:", err)
		// What comes back with the key in it comes back with the placeholder.
		return []any{body.Score, body.For == key, key == os.Getenv("API_KEY")}, nil
	})
}
