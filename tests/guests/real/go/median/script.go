// The median of three exchanges, asked at the same time; one of them may be down.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

var client = &http.Client{Timeout: 4 * time.Second}

func fetch(url, field string) (float64, error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return 0, fmt.Errorf("%s: %s", url, resp.Status)
	}
	var data map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&data); err != nil {
		return 0, err
	}
	switch v := data[field].(type) {
	case float64:
		return v, nil
	case string:
		return strconv.ParseFloat(v, 64)
	default:
		return 0, fmt.Errorf("%s: no %s", url, field)
	}
}

func main() {
	sources := []struct{ url, field string }{
		{"https://a.example.com/ticker", "last"},
		{"https://b.example.com/price", "price"},
		{"https://c.example.com/spot", "amount"},
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		prices []float64
	)
	for _, s := range sources {
		wg.Add(1)
		go func() {
			defer wg.Done()
			price, err := fetch(s.url, s.field)
			if err != nil {
				log.Println(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			prices = append(prices, price)
		}()
	}
	wg.Wait()
	if len(prices) < 2 {
		fmt.Fprintln(os.Stderr, "fewer than two prices")
		os.Exit(1)
	}
	sort.Float64s(prices)
	middle := len(prices) / 2
	median := prices[middle]
	if len(prices)%2 == 0 {
		median = (prices[middle-1] + prices[middle]) / 2
	}
	json.NewEncoder(os.Stdout).Encode([]int64{int64(median * 1e8)})
}
