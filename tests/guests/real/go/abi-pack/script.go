// Chooses the call itself: a transfer, encoded with go-ethereum.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/big"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

const erc20 = `[{"name":"transfer","type":"function","inputs":[{"name":"to","type":"address"},{"name":"amount","type":"uint256"}],"outputs":[{"type":"bool"}]}]`

type output struct {
	ShouldExecute  bool              `json:"shouldExecute"`
	TargetContract common.Address    `json:"targetContract"`
	Calldata       hexutil.Bytes     `json:"calldata"`
	StorageUpdates map[string]string `json:"storageUpdates"`
	Metadata       map[string]any    `json:"metadata"`
}

func main() {
	parsed, err := abi.JSON(strings.NewReader(erc20))
	if err != nil {
		log.Fatal(err)
	}
	amount, _ := new(big.Int).SetString("1500000000000000000", 10)
	to := common.HexToAddress("0x00000000219ab540356cBB839Cbe05303d7705Fa")
	data, err := parsed.Pack("transfer", to, amount)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(output{
		ShouldExecute:  true,
		TargetContract: common.HexToAddress("0x6B175474E89094C44Da98b954EedeAC495271d0F"),
		Calldata:       data,
		StorageUpdates: map[string]string{},
		Metadata:       map[string]any{"selector": fmt.Sprintf("%x", crypto.Keccak256([]byte("transfer(address,uint256)"))[:4])},
	}); err != nil {
		log.Fatal(err)
	}
}
