// A transport of its own, time-outs of its client and of a context, and the errors that they give.
package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

type logged struct{ base http.RoundTripper }

func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("X-Request-Id", "r-1")
	resp, err := l.base.RoundTrip(req)
	fmt.Fprintln(os.Stderr, req.Method, req.URL.Host, err)
	return resp, err
}

func main() {
	client := &http.Client{
		Timeout: 2 * time.Second,
		Transport: logged{&http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 4,
			ForceAttemptHTTP2:   true,
		}},
	}
	_, err := client.Get("https://slow.example.com/")
	var urlErr *url.Error
	var netErr net.Error
	first := errors.As(err, &urlErr) && urlErr.Timeout() && errors.As(err, &netErr) && netErr.Timeout()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodPut, "https://slow.example.com/put", strings.NewReader(`{"a":1}`))
	_, err = http.DefaultClient.Do(req)
	second := errors.Is(err, context.DeadlineExceeded)

	gone, stop := context.WithCancel(context.Background())
	stop()
	req, _ = http.NewRequestWithContext(gone, http.MethodGet, "https://never.example.com/", nil)
	_, err = http.DefaultClient.Do(req)
	third := errors.Is(err, context.Canceled)

	_, err = http.Get("https://refused.example.com/")
	fmt.Fprintln(os.Stderr, err)

	resp, err := client.Get("https://moved.example.com/old")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	id := make([]byte, 8)
	rand.Read(id)
	fmt.Fprintf(os.Stderr, "%x\n", id)
	json.NewEncoder(os.Stdout).Encode([]any{first, second, third, resp.Request.URL.String(), string(body)})
}
