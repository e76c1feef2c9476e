// Package parallel runs independent work on all cores.
package parallel

import (
	"runtime"
	"sync"
)

// For runs do for 0..n-1 on all cores. The calls must be independent of each
// other.
func For(n int, do func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				do(i)
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
