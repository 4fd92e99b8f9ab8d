// The sum of all open invoices, page after page, by the Link header.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
)

type invoice struct {
	ID     string `json:"id"`
	Amount int64  `json:"amount"`
	Open   bool   `json:"open"`
}

func next(header http.Header) string {
	for _, link := range strings.Split(header.Get("Link"), ",") {
		target, rel, _ := strings.Cut(link, ";")
		if strings.TrimSpace(rel) == `rel="next"` {
			return strings.Trim(strings.TrimSpace(target), "<>")
		}
	}
	return ""
}

func main() {
	query := url.Values{"state": {"open"}, "per_page": {"2"}}
	at := "https://billing.example.com/invoices?" + query.Encode()
	var total int64
	pages := 0
	for at != "" {
		req, err := http.NewRequest(http.MethodGet, at, nil)
		if err != nil {
			log.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		var invoices []invoice
		err = json.NewDecoder(resp.Body).Decode(&invoices)
		resp.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		for _, i := range invoices {
			if i.Open {
				total += i.Amount
			}
		}
		pages++
		at = next(resp.Header)
	}
	log.Printf("%d pages", pages)
	fmt.Printf("[%d, %d]", total, pages)
}
