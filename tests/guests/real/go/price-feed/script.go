// The price of ETH in cents, for a contract that takes uint256.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
)

type quote struct {
	Price json.Number `json:"price"`
}

func main() {
	resp, err := http.Get("https://api.example.com/v1/eth?vs=usd")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		log.Fatalf("status %s", resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	var q quote
	if err := json.Unmarshal(body, &q); err != nil {
		log.Fatal(err)
	}
	price, ok := new(big.Rat).SetString(q.Price.String())
	if !ok {
		log.Fatalf("%q is no price", q.Price)
	}
	cents := price.Mul(price, big.NewRat(100, 1))
	log.Printf("%s from %s", resp.Status, resp.Header.Get("Content-Type"))
	fmt.Printf("[%s]\n", new(big.Int).Quo(cents.Num(), cents.Denom()))
}
