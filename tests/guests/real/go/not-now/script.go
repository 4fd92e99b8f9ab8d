// Ends with 64 where there is nothing to do: the task is skipped, nothing is called.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	resp, err := http.Get("https://sports.example.com/games/42")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var game struct {
		Status     string
		Home, Away int
	}
	if err := json.NewDecoder(resp.Body).Decode(&game); err != nil {
		log.Fatal(err)
	}
	if game.Status != "final" {
		fmt.Fprintf(os.Stderr, "game 42 is %s\n", game.Status)
		os.Exit(64)
	}
	fmt.Printf("[42, %d, %d]\n", game.Home, game.Away)
}
