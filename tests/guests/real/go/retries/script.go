// Tries again with a wait that doubles, until a busy service answers; minutes of waiting cost no time.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func get(url string) (string, error) {
	wait := 30 * time.Second
	for try := 1; ; try++ {
		resp, err := http.Get(url)
		if err == nil {
			body, readErr := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK && readErr == nil {
				return strings.TrimSpace(string(body)), nil
			}
			err = fmt.Errorf("status %d", resp.StatusCode)
			if after, parseErr := strconv.Atoi(resp.Header.Get("Retry-After")); parseErr == nil {
				wait = time.Duration(after) * time.Second
			}
		}
		if try == 4 {
			return "", err
		}
		log.Printf("try %d: %v; again in %s", try, err, wait)
		time.Sleep(wait)
		wait *= 2
	}
}

func main() {
	start := time.Now()
	height, err := get("https://busy.example.com/height")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	waited := time.Since(start).Round(time.Second)
	fmt.Printf("[%s, %d]\n", height, int(waited.Seconds()))
}
