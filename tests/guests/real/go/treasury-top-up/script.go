// Tops a Safe up when its balance is low; says so when there is nothing to do.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"os"
	"strings"
)

type decision struct {
	ShouldExecute  bool              `json:"shouldExecute"`
	TargetContract string            `json:"targetContract"`
	Calldata       string            `json:"calldata"`
	StorageUpdates map[string]string `json:"storageUpdates"`
	Metadata       map[string]string `json:"metadata"`
}

func balance(address string) (*big.Int, error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[%q,"latest"]}`, address)
	resp, err := http.Post("https://rpc.example.org", "application/json", bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out struct{ Result string }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return nil, err
	}
	n, ok := new(big.Int).SetString(out.Result, 0)
	if !ok {
		return nil, errors.New("the node gave no number")
	}
	return n, nil
}

func main() {
	const safe = "0x1111111111111111111111111111111111111111"
	have, err := balance(safe)
	if err != nil {
		log.Fatal(err)
	}
	want, _ := new(big.Int).SetString("2000000000000000000", 10)
	missing := new(big.Int).Sub(want, have)
	d := decision{StorageUpdates: map[string]string{}, Metadata: map[string]string{"balance": have.String()}}
	if missing.Sign() > 0 {
		d.ShouldExecute = true
		d.TargetContract = "0x2222222222222222222222222222222222222222"
		// topUp(address,uint256)
		d.Calldata = "0x4e3c34d1" + strings.Repeat("0", 24) + safe[2:] + fmt.Sprintf("%064x", missing)
	}
	json.NewEncoder(os.Stdout).Encode(d)
}
