package guest

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func TestRunEnds(t *testing.T) {
	for _, c := range []struct {
		result any
		err    error
		code   int
		out    string
		log    string
	}{
		{[]any{big.NewInt(7), "a"}, nil, 0, "[7,\"a\"]\n", ""},
		{nil, Skip("not now"), 64, "", "not now\n"},
		{nil, fmt.Errorf("wrapped: %w", Skip("not now")), 64, "", "wrapped: not now\n"},
		{nil, errors.New("no price"), 1, "", "no price\n"},
		{func() {}, nil, 1, "", "json: unsupported type: func()\n"},
	} {
		var out, log strings.Builder
		in := strings.NewReader(`{"task_id": "0x1", "arguments": ["5"], "pinned": {"1": {"number": 9, "hash": "0x2"}}}`)
		code := run(func(ctx Context) (any, error) {
			if ctx.TaskID != "0x1" || string(ctx.Arguments[0]) != `"5"` || ctx.Pinned["1"].Number != 9 {
				t.Errorf("%+v", ctx)
			}
			return c.result, c.err
		}, in, &out, &log)
		if code != c.code || out.String() != c.out || log.String() != c.log {
			t.Errorf("%v, %v: %d %q %q", c.result, c.err, code, out.String(), log.String())
		}
	}
}

func TestCallsOfTheHost(t *testing.T) {
	var asked []string
	answers := map[string]any{
		"evm_call":         "0x" + strings.Repeat("0", 63) + "5",
		"evm_block_number": 12,
		"evm_balance":      "340282366920938463463374607431768211456",
		"evm_logs":         []Log{{Data: "0x01"}},
	}
	Within(func(name string, request json.RawMessage) (any, error) {
		asked = append(asked, name+string(request))
		return answers[name], nil
	}, func() {
		returned, err := Chain(1).Call("0xab", []byte{1, 2})
		five, _ := Uint(returned, 0)
		number, _ := Chain(2).BlockNumber()
		wei, _ := Chain(1).Balance("0xcd")
		logs, _ := Chain(1).Logs(Filter{Address: "0xef"})
		if err != nil || five.Int64() != 5 || number != 12 || wei.BitLen() != 129 || logs[0].Data != "0x01" {
			t.Error(err, five, number, wei, logs)
		}
	})
	expect := `evm_call{"chain_id":1,"data":"0x0102","to":"0xab"} evm_block_number{"chain_id":2} ` +
		`evm_balance{"address":"0xcd","chain_id":1} evm_logs{"chain_id":1,"address":"0xef"}`
	if got := strings.Join(asked, " "); got != expect {
		t.Error(got)
	}
	Within(func(string, json.RawMessage) (any, error) { return nil, errors.New("node down") }, func() {
		_, err := Chain(1).Balance("0xcd")
		var hostError *Error
		if !errors.As(err, &hostError) || hostError.Kind != "transport" {
			t.Error(err)
		}
	})
	if _, err := Chain(1).Balance("0xcd"); err == nil {
		t.Error("a host outside the sandbox")
	}
}

func TestStorageAndSecrets(t *testing.T) {
	kept := map[string]string{}
	Within(func(name string, request json.RawMessage) (any, error) {
		var r struct{ Key, Value, Name, Data, Encoding string }
		if err := json.Unmarshal(request, &r); err != nil {
			return nil, err
		}
		switch name {
		case "storage_set":
			kept[r.Key] = r.Value
		case "storage_delete":
			delete(kept, r.Key)
		case "storage_get":
			if value, ok := kept[r.Key]; ok {
				return value, nil
			}
		case "env_secret":
			return "placeholder of " + r.Name, nil
		case "env_hmac":
			return r.Name + " " + r.Data + " " + r.Encoding, nil
		default:
			t.Error(name)
		}
		return nil, nil
	}, func() {
		if value, ok, err := StorageGet("n"); value != nil || ok || err != nil {
			t.Error(value, ok, err)
		}
		if err := StorageSet("n", []byte{0, 255}); err != nil || kept["n"] != "0x00ff" {
			t.Error(err, kept)
		}
		if value, ok, err := StorageGet("n"); !ok || err != nil || hex.EncodeToString(value) != "00ff" {
			t.Error(value, ok, err)
		}
		StorageSet("n", nil)
		if value, ok, err := StorageGet("n"); !ok || err != nil || len(value) != 0 {
			t.Error("an empty value is one", value, ok, err)
		}
		if err := StorageDelete("n"); err != nil || len(kept) != 0 {
			t.Error(err, kept)
		}
		if placeholder, err := Secret("API_KEY"); err != nil || placeholder != "placeholder of API_KEY" {
			t.Error(placeholder, err)
		}
		if digest, err := HMAC("API_KEY", []byte("hi"), Base64); err != nil || digest != "API_KEY 0x6869 base64" {
			t.Error(digest, err)
		}
	})
	if _, _, err := StorageGet("n"); err == nil {
		t.Error("a host outside the sandbox")
	}
}

func TestWords(t *testing.T) {
	data, err := Words("0xa9059cbb", "0x00000000219ab540356cBB839Cbe05303d7705Fa", -1)
	expect := "a9059cbb00000000000000000000000000000000219ab540356cbb839cbe05303d7705fa" + strings.Repeat("f", 64)
	if err != nil || hex.EncodeToString(data) != expect {
		t.Errorf("%x %v", data, err)
	}
	for _, bad := range []any{"0x12", 1.5, new(big.Int).Lsh(big.NewInt(1), 256), "price"} {
		if _, err := Words("0xa9059cbb", bad); err == nil {
			t.Errorf("%v fills a word", bad)
		}
	}
}
