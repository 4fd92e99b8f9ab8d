// The middle price of two sources, in USD with 8 decimals. If one does not answer, the other counts alone; if they
// are more than 2 % apart, nothing is reported.
//
// It is an ordinary program: the context comes on standard input, standard output is the result, one JSON value,
// and standard error the log. Exit code 64 says "not now".
package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"
)

const (
	decimals        = 8
	apartMaxPercent = 2
	exitSkip        = 64
)

type source struct {
	url   string
	price func(reply map[string]any) any
}

var sources = []source{
	{"https://api.coinbase.com/v2/prices/ETH-USD/spot", func(r map[string]any) any { return at(r, "data", "amount") }},
	{"https://api.kraken.com/0/public/Ticker?pair=ETHUSD", func(r map[string]any) any {
		list, _ := at(r, "result", "XETHZUSD", "c").([]any)
		if len(list) == 0 {
			return nil
		}
		return list[0]
	}},
}

func main() {
	var context struct {
		Due time.Time `json:"due"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&context); err != nil {
		fail("the context: %v", err)
	}
	var prices []*big.Int
	for _, s := range sources {
		price, err := ask(s)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", s.url, err)
			continue
		}
		prices = append(prices, price)
	}
	if len(prices) == 0 {
		fail("no source answered")
	}
	price, reason := middle(prices)
	if reason != "" {
		fmt.Fprintln(os.Stderr, reason)
		os.Exit(exitSkip)
	}
	json.NewEncoder(os.Stdout).Encode([]any{price.String(), context.Due.Unix()})
}

func ask(s source) (*big.Int, error) {
	client := http.Client{Timeout: 3 * time.Second}
	reply, err := client.Get(s.url)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", reply.StatusCode)
	}
	var body map[string]any
	if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
		return nil, err
	}
	text, _ := s.price(body).(string)
	return units(text)
}

func at(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// The middle, or why there is none.
func middle(prices []*big.Int) (*big.Int, string) {
	sort.Slice(prices, func(i, j int) bool { return prices[i].Cmp(prices[j]) < 0 })
	low, high := prices[0], prices[len(prices)-1]
	apart := new(big.Int).Mul(new(big.Int).Sub(high, low), big.NewInt(100))
	if apart.Cmp(new(big.Int).Mul(low, big.NewInt(apartMaxPercent))) > 0 {
		return nil, fmt.Sprintf("the sources are too far apart: %s and %s", low, high)
	}
	return new(big.Int).Div(new(big.Int).Add(low, high), big.NewInt(2)), ""
}

// "3012.45" with 8 decimals is 301245000000; no floating point comes near a value.
func units(text string) (*big.Int, error) {
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > decimals {
		part = part[:decimals]
	}
	n, ok := new(big.Int).SetString(whole+part+strings.Repeat("0", decimals-len(part)), 10)
	if !ok || whole == "" || n.Sign() < 0 {
		return nil, fmt.Errorf("%q is no price", text)
	}
	return n, nil
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
