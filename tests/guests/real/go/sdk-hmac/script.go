// Asks an exchange that wants each request signed with a key.
package main

import (
	"encoding/json"
	"net/http"
	"strings"

	"argus/guest"
)

func main() {
	guest.Run(func(guest.Context) (any, error) {
		query := "symbol=ETHUSD"
		signature, err := guest.HMAC("SIGNING_KEY", []byte(query), guest.Hex)
		if err != nil {
			return nil, err
		}
		reply, err := http.Get("https://api.exchange.example/v1/price?" + query + "&signature=" + signature)
		if err != nil {
			return nil, err
		}
		defer reply.Body.Close()
		var body struct {
			Price string `json:"price"`
		}
		if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
			return nil, err
		}
		return []string{strings.ReplaceAll(body.Price, ".", "")}, nil
	})
}
