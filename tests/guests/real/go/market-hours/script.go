// Whether the New York exchange is open when the job is due, and when it opens next.
package main

import (
	"fmt"
	"log"
	"time"
)

var holidays = map[string]bool{"2025-07-04": true}

func opening(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 9, 30, 0, 0, day.Location())
}

func trades(day time.Time) bool {
	weekday := day.Weekday()
	return weekday != time.Saturday && weekday != time.Sunday && !holidays[day.Format(time.DateOnly)]
}

func main() {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Now().In(newYork)
	open := trades(now) && !now.Before(opening(now)) && now.Before(opening(now).Add(6*time.Hour+30*time.Minute))
	next := now
	for !trades(next) || !opening(next).After(now) {
		next = next.AddDate(0, 0, 1)
	}
	log.Println(now.Format(time.RFC1123Z), "open:", open, "next:", opening(next).Format(time.RFC3339))
	fmt.Printf("[%t, %d, %q]\n", open, opening(next).Unix(), opening(next).UTC().Format(time.RFC3339))
}
