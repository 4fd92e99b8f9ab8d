//go:build !js

// Takes the place of the file of the same name in net/http when a script is built. A script has no sockets: every
// request of every Transport, a program's own ones included, goes to the host's http capability, which checks where it
// leads, bounds it and records the answer.

package http

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strconv"
	"time"
	"unsafe"
)

//go:linkname badRoundTrip net/http.(*Transport).RoundTrip
func badRoundTrip(*Transport, *Request) (*Response, error)

// argusIssue sends a request off and gives the ticket that asks for its answer.
//
//go:wasmimport host http_issue
func argusIssue(request unsafe.Pointer, size uint32) uint64

// argusAwait waits for an answer: the length of its head, four bytes, the head as JSON, the body.
//
//go:wasmimport host http_await
func argusAwait(ticket uint64) uint64

// The answer that the host is placing. A program runs on one thread, and nothing else runs between the allocation and
// the end of the import that asked for it.
var argusAnswer []byte

//go:wasmexport abi_alloc
func argusAlloc(size uint32) uint32 {
	argusAnswer = make([]byte, max(size, 1))
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(argusAnswer))))
}

// The longest that the host waits for one answer.
const argusTimeoutMs = 5000

type argusRequest struct {
	Method    string      `json:"method"`
	URL       string      `json:"url"`
	Headers   [][2]string `json:"headers"`
	Body      *argusHex   `json:"body,omitempty"`
	TimeoutMs int64       `json:"timeout_ms,omitempty"`
	Redirect  string      `json:"redirect"`
}

type argusHex []byte

func (h argusHex) MarshalText() ([]byte, error) {
	const digits = "0123456789abcdef"
	text := make([]byte, 2, 2+2*len(h))
	text[0], text[1] = '0', 'x'
	for _, b := range h {
		text = append(text, digits[b>>4], digits[b&15])
	}
	return text, nil
}

type argusHead struct {
	OK *struct {
		Status  int         `json:"status"`
		Headers [][2]string `json:"headers"`
	} `json:"ok"`
	Err *struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	} `json:"err"`
}

// What the host says instead of answering. Like other errors of a network it tells whether time ran out.
type argusError struct {
	message string
	timeout bool
}

func (e *argusError) Error() string   { return e.message }
func (e *argusError) Timeout() bool   { return e.timeout }
func (e *argusError) Temporary() bool { return e.timeout }

// RoundTrip has the host make one request. Redirects are the client's, as everywhere: each is a request of its own.
func (t *Transport) RoundTrip(req *Request) (*Response, error) {
	if t == nil {
		panic("transport is nil")
	}
	if req.URL != nil {
		if other := t.alternateRoundTripper(req); other != nil {
			if answer, err := other.RoundTrip(req); err != ErrSkipAltProtocol {
				return answer, err
			}
		}
	}
	request, err := argusRequestOf(req)
	if err != nil {
		return nil, err
	}
	ctx := req.Context()
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return nil, context.DeadlineExceeded
		}
		// Past the deadline, not on it: so the context has expired when the host gives up.
		request.TimeoutMs = left.Milliseconds() + 1
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	ticket := argusIssue(unsafe.Pointer(unsafe.SliceData(text)), uint32(len(text)))
	runtime.KeepAlive(text)
	// Waiting stops the whole program. So whoever else has a request to make issues it first: all are out together.
	runtime.Gosched()
	size := uint32(argusAwait(ticket))
	answer := argusAnswer[:size]
	argusAnswer = nil
	return argusResponse(req, request.TimeoutMs, answer)
}

func argusRequestOf(req *Request) (*argusRequest, error) {
	var body []byte
	if req.Body != nil {
		read, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		body = read
	}
	if req.URL == nil {
		return nil, errors.New("http: nil Request.URL")
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, badStringError("unsupported protocol scheme", req.URL.Scheme)
	}
	if req.URL.Host == "" {
		return nil, errors.New("http: no Host in request URL")
	}
	url := *req.URL
	url.Fragment, url.RawFragment, url.User = "", "", nil
	request := &argusRequest{
		Method:   valueOrDefault(req.Method, "GET"),
		URL:      url.String(),
		Headers:  [][2]string{},
		Redirect: "manual",
	}
	if len(body) > 0 {
		hex := argusHex(body)
		request.Body = &hex
	}
	for _, name := range argusSorted(req.Header) {
		switch name {
		// These belong to the connection, and bodies come decoded.
		case "Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Te", "Trailer",
			"Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "Accept-Encoding":
			continue
		}
		for _, value := range req.Header[name] {
			request.Headers = append(request.Headers, [2]string{name, value})
		}
	}
	return request, nil
}

// argusSorted gives the names in one order: what is asked stands in the transcript.
func argusSorted(header Header) []string {
	names := make([]string, 0, len(header))
	for name := range header {
		at := len(names)
		for at > 0 && names[at-1] > name {
			at--
		}
		names = append(names, "")
		copy(names[at+1:], names[at:])
		names[at] = name
	}
	return names
}

func argusResponse(req *Request, timeoutMs int64, answer []byte) (*Response, error) {
	malformed := errors.New("the host gave no HTTP answer")
	if len(answer) < 4 {
		return nil, malformed
	}
	size := int64(binary.LittleEndian.Uint32(answer))
	if size > int64(len(answer)-4) {
		return nil, malformed
	}
	var head argusHead
	if err := json.Unmarshal(answer[4:4+size], &head); err != nil {
		return nil, err
	}
	if head.Err != nil {
		if head.Err.Kind == "timeout" && timeoutMs > 0 && timeoutMs <= argusTimeoutMs {
			// It was the context's time that ran out, and not the host's.
			return nil, context.DeadlineExceeded
		}
		return nil, &argusError{head.Err.Message, head.Err.Kind == "timeout"}
	}
	if head.OK == nil {
		return nil, malformed
	}
	body := answer[4+size:]
	response := &Response{
		Status:        strconv.Itoa(head.OK.Status) + " " + StatusText(head.OK.Status),
		StatusCode:    head.OK.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        Header{},
		Body:          NoBody,
		ContentLength: int64(len(body)),
		Request:       req,
	}
	for _, pair := range head.OK.Headers {
		response.Header.Add(pair[0], pair[1])
	}
	// A body that came compressed is longer than was announced.
	if announced := response.Header.Get("Content-Length"); req.Method != "HEAD" && announced != strconv.Itoa(len(body)) {
		response.Header.Del("Content-Length")
	}
	if len(body) > 0 {
		response.Body = io.NopCloser(bytes.NewReader(body))
	} else if length, err := strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64); err == nil && req.Method == "HEAD" {
		response.ContentLength = length
	}
	return response, nil
}
