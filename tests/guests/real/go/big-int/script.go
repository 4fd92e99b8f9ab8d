// Compound interest in 18 decimals, and a power that no float holds.
package main

import (
	"encoding/json"
	"math/big"
	"os"
)

var ray = new(big.Int).Exp(big.NewInt(10), big.NewInt(27), nil)

func rayMul(a, b *big.Int) *big.Int {
	product := new(big.Int).Mul(a, b)
	product.Add(product, new(big.Int).Rsh(ray, 1))
	return product.Quo(product, ray)
}

func rayPow(x *big.Int, n uint) *big.Int {
	result := new(big.Int).Set(ray)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result = rayMul(result, x)
		}
		x = rayMul(x, x)
	}
	return result
}

func main() {
	perSecond, _ := new(big.Int).SetString("1000000001547125957863212448", 10)
	yearly := rayPow(perSecond, 365*24*3600)
	max := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	if err := json.NewEncoder(os.Stdout).Encode([]any{yearly, max, max.String()}); err != nil {
		panic(err)
	}
}
