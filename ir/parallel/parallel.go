// Package parallel runs independent work on all cores.
package parallel

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// For runs do for 0..n-1 on all cores. The calls must be independent of each
// other.
func For(n int, do func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	next := make(chan int)
	var wg sync.WaitGroup
	var first First
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				first.Try(func() { do(i) })
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	first.Panic()
}

// Panic is the panic of a worker, as it reaches the goroutine that waits for it.
type Panic struct {
	Value any
	Stack []byte // the worker's
}

func (p *Panic) String() string { return fmt.Sprintf("%v\n%s", p.Value, p.Stack) }

// First is the first panic of several workers. Faults of memory are panics, too: a mapped
// file may become shorter.
type First struct {
	once  sync.Once
	panic *Panic
}

// Try calls do, and keeps its panic.
func (f *First) Try(do func()) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			p, nested := r.(*Panic)
			if !nested {
				p = &Panic{r, debug.Stack()}
			}
			f.once.Do(func() { f.panic = p })
		}
	}()
	do()
}

// Panic panics where a worker has; all of them must have ended.
func (f *First) Panic() {
	if f.panic != nil {
		panic(f.panic)
	}
}
