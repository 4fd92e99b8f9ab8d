//go:build wasip1

package guest

import (
	// It brings the allocator that the host places replies through.
	_ "net/http"
	"runtime"
	"unsafe"
)

// The request goes as JSON, and so does the reply: {"ok": ...} or {"err": {"kind", "message"}}.

//go:wasmimport host evm_call
func evmCall(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host evm_block_number
func evmBlockNumber(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host evm_balance
func evmBalance(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host evm_logs
func evmLogs(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host env_secret
func envSecret(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host env_hmac
func envHMAC(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host storage_get
func storageGet(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host storage_set
func storageSet(request unsafe.Pointer, size uint32) uint64

//go:wasmimport host storage_delete
func storageDelete(request unsafe.Pointer, size uint32) uint64

var imports = map[string]func(unsafe.Pointer, uint32) uint64{
	"evm_call":         evmCall,
	"evm_block_number": evmBlockNumber,
	"evm_balance":      evmBalance,
	"evm_logs":         evmLogs,
	"env_secret":       envSecret,
	"env_hmac":         envHMAC,
	"storage_get":      storageGet,
	"storage_set":      storageSet,
	"storage_delete":   storageDelete,
}

func init() {
	host = func(name string, request []byte) ([]byte, error) {
		packed := imports[name](unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request)))
		runtime.KeepAlive(request)
		// Placed in memory that is kept until the next reply comes.
		reply := unsafe.Slice((*byte)(unsafe.Pointer(uintptr(packed>>32))), uint32(packed))
		return append([]byte(nil), reply...), nil
	}
}
