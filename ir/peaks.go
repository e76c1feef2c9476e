package ir

import (
	"math"
	"slices"
)

// peaks has the greatest height at each of a number of steps. It is a segment tree: a height
// is given to many steps, and the greatest of many steps is found, in the logarithm of their number.
type peaks struct {
	leaves int
	// every has what all steps of a node were raised to, most the greatest of any. The root is
	// node 1, the halves of node i are 2i and 2i+1.
	every, most []peak
}

// peak is a height and what reaches it.
type peak struct{ height, of int }

// ground is below every height.
var ground = peak{height: math.MinInt}

func newPeaks(steps int) *peaks {
	p := &peaks{leaves: 1}
	for p.leaves < steps {
		p.leaves *= 2
	}
	p.every = slices.Repeat([]peak{ground}, 2*p.leaves)
	p.most = slices.Clone(p.every)
	return p
}

func higher(a, b peak) peak {
	if b.height > a.height {
		return b
	}
	return a
}

// raise raises the steps from to until to at least h.
func (p *peaks) raise(from, until int, h peak) { p.raiseIn(1, 0, p.leaves-1, from, until, h) }

func (p *peaks) raiseIn(node, lo, hi, from, until int, h peak) {
	if until < lo || hi < from {
		return
	}
	p.most[node] = higher(p.most[node], h)
	if from <= lo && hi <= until {
		p.every[node] = higher(p.every[node], h)
		return
	}
	mid := (lo + hi) / 2
	p.raiseIn(2*node, lo, mid, from, until, h)
	p.raiseIn(2*node+1, mid+1, hi, from, until, h)
}

// over is the greatest height in the steps from to until.
func (p *peaks) over(from, until int) peak { return p.overIn(1, 0, p.leaves-1, from, until) }

func (p *peaks) overIn(node, lo, hi, from, until int) peak {
	switch mid := (lo + hi) / 2; {
	case until < lo || hi < from:
		return ground
	case from <= lo && hi <= until:
		return p.most[node]
	default:
		return higher(p.every[node], higher(p.overIn(2*node, lo, mid, from, until), p.overIn(2*node+1, mid+1, hi, from, until)))
	}
}
