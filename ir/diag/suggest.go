package diag

import "strings"

// longestMistyped is the letters of the longest name that is compared with others: the work
// grows with their square.
const longestMistyped = 100

// Suggest returns the known name that is closest to name, or "" when none is
// close enough to be meant: a third of the letters wrong, by optimal string
// alignment distance (insertions, deletions, substitutions, transpositions).
// Of equally close names the first one wins. Where none is close, one is that name begins
// with, or that begins with name, by three letters or more: the one nearest in length.
func Suggest(name string, known []string) string {
	best, limit := "", max(1, len(name)/3)
	if len(name) > longestMistyped {
		return ""
	}
	for _, k := range known {
		if d := distance(name, k, limit); d <= limit && name != "" {
			best, limit = k, d-1
		}
	}
	if best != "" {
		return best
	}
	least := 0
	for _, k := range known {
		if min(len(k), len(name)) < 3 || !strings.HasPrefix(name, k) && !strings.HasPrefix(k, name) {
			continue
		}
		if d := max(len(k)-len(name), len(name)-len(k)); best == "" || d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance of a and b, or any number
// above limit when it exceeds limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
