package fuzz

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
)

// panicked is a panic on the way, and the stack where it was recovered.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// origin is the function of a stack that a panic came from: the first after the panic
// itself that is not Go's.
var origin = regexp.MustCompile(`(?s)\npanic\(.*?\n(github\.com/[^\n]*)\([^\n]*\n`)

// ownWords are what a message tells about one network: names, numbers, shapes, paths,
// which all have a digit or a slash, and the reals that are no numbers.
var ownWords = regexp.MustCompile(`\S*[0-9/]\S*|[+-]?\b(NaN|Inf)\b`)

// common is a message without what is one network's own.
func common(message string) string {
	return strings.Join(strings.Fields(ownWords.ReplaceAllString(message, "")), " ")
}

// kindOf is what two networks' failures have in common when they are of one fault: the
// target and the stage, which errors begin with, and the first line of the message without
// what is the network's own; of a panic also where it came from; of a tool also what it
// complained of. Without it a reduction might end at another fault than it began with.
func kindOf(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	stage, rest, _ := strings.Cut(line, ": ") // a target has digits
	kind := stage + ": " + common(rest)
	var p *panicked
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &p):
		if m := origin.FindSubmatch(p.stack); m != nil {
			kind += " in " + string(m[1])
		}
	case errors.As(err, &d) && d.Kind == diag.ToolFailed:
		note, _, _ := strings.Cut(d.Note, "\n")
		kind += ": " + common(note)
	}
	return kind
}

// clone is a network that may be changed.
func (n *Network) clone() *Network {
	c := *n
	c.Inputs, c.Nodes, c.Results = slices.Clone(n.Inputs), slices.Clone(n.Nodes), slices.Clone(n.Results)
	for i := range c.Inputs {
		c.Inputs[i].Shape = slices.Clone(c.Inputs[i].Shape)
	}
	for i := range c.Nodes {
		c.Nodes[i].Args, c.Nodes[i].P = slices.Clone(c.Nodes[i].Args), slices.Clone(c.Nodes[i].P)
	}
	return &c
}

// without is the network with node i left out: what took it takes its argument, and
// the first that shared its weights has them from now on.
func (n *Network) without(i int) *Network {
	c := n.clone()
	gone := c.Nodes[i]
	heir := 0
	for k := i + 1; k < len(c.Nodes); k++ {
		if x := &c.Nodes[k]; x.Tied == gone.ID {
			if heir == 0 {
				heir, x.Format, x.Tied = x.ID, gone.Format, 0
				continue
			}
			x.Tied = heir
		}
	}
	c.Nodes = slices.Delete(c.Nodes, i, i+1)
	move := func(a int) int {
		switch {
		case a == i:
			a = gone.Args[0]
		case a > i:
			a--
		}
		return a
	}
	for k := i; k < len(c.Nodes); k++ {
		for j, a := range c.Nodes[k].Args {
			c.Nodes[k].Args[j] = move(a)
		}
	}
	for j, r := range c.Results {
		c.Results[j] = move(r)
	}
	return c
}

// reduced is a network that fails as n does, with an error of first's kind, and is smaller.
func reduced(n *Network, first error, check func(*Network) error) *Network {
	kind := kindOf(first)
	return Reduce(n, func(c *Network) bool {
		err := check(c)
		return err != nil && kindOf(err) == kind
	})
}

// Reduce makes a failing network smaller as long as fails says that it fails in the same
// way: nodes, results and inputs left out, arguments moved up, then every number made
// less.
func Reduce(n *Network, fails func(*Network) bool) *Network {
	for changed := true; changed; {
		changed = false
		for _, c := range n.smaller() {
			if c.sound() && fails(c) {
				n, changed = c, true
				break
			}
		}
	}
	return n
}

// smaller are the networks that are one step smaller, the largest steps first.
func (n *Network) smaller() []*Network {
	var out []*Network
	with := func(change func(c *Network)) {
		c := n.clone()
		change(c)
		out = append(out, c)
	}
	if len(n.Results) > 1 {
		for i := range n.Results {
			with(func(c *Network) { c.Results = slices.Delete(c.Results, i, i+1) })
		}
	}
	for i := range len(n.Nodes) - 1 {
		with(func(c *Network) { c.Nodes, c.Results = c.Nodes[:i+1], []int{i} })
	}
	for i := range n.Nodes {
		out = append(out, n.without(i))
	}
	for i := range n.Inputs {
		if i > 0 {
			with(func(c *Network) { c.dropInput(i) })
		}
	}
	for i, x := range n.Nodes {
		if len(x.Args) > makerOf(x.Op).args && len(x.Args) > 1 {
			with(func(c *Network) { c.Nodes[i].Args = c.Nodes[i].Args[:len(x.Args)-1] })
		}
		for j, a := range x.Args {
			if a != -1 {
				with(func(c *Network) { c.Nodes[i].Args[j] = -1 })
			}
		}
		if x.Tied != 0 {
			with(func(c *Network) { c.Nodes[i].Tied = 0 })
		}
		if x.Format != "i8" {
			with(func(c *Network) { c.Nodes[i].Format = "i8" })
		}
	}
	for _, off := range []func(h *How) *bool{
		func(h *How) *bool { return &h.Compensated }, func(h *How) *bool { return &h.TFLite },
		func(h *How) *bool { return &h.Hooks }, func(h *How) *bool { return &h.Lend }, func(h *How) *bool { return &h.Stepped },
		func(h *How) *bool { return &h.Rows },
	} {
		if *off(&n.How) {
			with(func(c *Network) { *off(&c.How) = false })
		}
	}
	if n.Threads > 0 {
		with(func(c *Network) { c.Threads = 0 })
	}
	less := func(get func(c *Network) *int, least int) {
		v := *get(n)
		for _, w := range []int{least, v / 2, v - 1} {
			if w >= least && w < v {
				with(func(c *Network) { *get(c) = w })
			}
		}
	}
	for i := range n.Nodes {
		for k := range n.Nodes[i].P {
			less(func(c *Network) *int { return &c.Nodes[i].P[k] }, 0)
			if v := n.Nodes[i].P[k]; v > 0 && n.shares(i) > 1 { // all that share its weights at once
				with(func(c *Network) {
					for j := range c.Nodes {
						if c.Nodes[j].owner() == c.Nodes[i].owner() {
							c.Nodes[j].P[k] = v / 2
						}
					}
				})
			}
		}
	}
	for i := range n.Inputs {
		for d := range n.Inputs[i].Shape {
			less(func(c *Network) *int { return &c.Inputs[i].Shape[d] }, 1)
		}
	}
	return out
}

// shares is how many nodes have the weights of node i.
func (n *Network) shares(i int) (count int) {
	for _, x := range n.Nodes {
		if x.owner() == n.Nodes[i].owner() {
			count++
		}
	}
	return count
}

// dropInput leaves input i out, which then must not be read.
func (n *Network) dropInput(i int) {
	n.Inputs = slices.Delete(n.Inputs, i, i+1)
	for k := range n.Nodes {
		for j, a := range n.Nodes[k].Args {
			switch at := -1 - a; {
			case a < 0 && at == i:
				n.Nodes = nil
				return
			case a < 0 && at > i:
				n.Nodes[k].Args[j]++
			}
		}
	}
}
