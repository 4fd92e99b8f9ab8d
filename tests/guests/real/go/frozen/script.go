// Reports what an account is worth, unless the custodian has frozen it: then nobody should be told a number.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
)

type account struct {
	State   string      `json:"state"`
	Balance json.Number `json:"balance"`
}

func main() {
	log.SetFlags(0)
	reply, err := http.Get("https://custodian.example/accounts/12")
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	var found account
	if err := json.NewDecoder(reply.Body).Decode(&found); err != nil {
		log.Fatal("no account: ", err)
	}
	if found.State != "open" {
		log.Fatalf("the account is %s", found.State)
	}
	fmt.Printf("[%q]\n", found.Balance.String())
}
