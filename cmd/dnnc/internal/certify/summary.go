package certify

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/dnnc/dnnc/runtime/proof"
)

// summary is what a proof says of its set of images.
type summary struct {
	images int // that are decided
	moved  []moved
	placed []placed
	drawn  []drawn
}

// moved is of an error that moves along its sizes, over its directions.
type moved struct {
	name string
	rows []upTo
	ends []float64 // of the images, ascending
	mean float64
	past int // images of which a measurement at 20 sizes says more than is true
}

// upTo is the images that are right at every size up to one.
type upTo struct {
	size   float64
	images int
	like   float64 // at least this share of images like these
}

// placed is of an error that has places, over its ways.
type placed struct {
	name   string
	images int       // right at every place
	like   float64   // at least this share of images like these
	shares []float64 // of the places at which each image is right, ascending
	mean   float64
}

// drawn is of one size of a random error.
type drawn struct {
	name           string
	size           float64
	often, always  int     // images that are right with a probability of at least .9 and .99
	measured       float64 // share of the draws that are right
	atLeast, least float64 // the bounds on the mean probability of these images, and on the least one
	like           float64 // at least this probability of images like these
}

// The probabilities that images are counted by.
const (
	often  = .9
	always = .99
)

// summarize sums a proof up. A bound on images like these, of which the images are taken to be
// independent draws, is one of as many statements as there are; so is one on the set.
func (s *subject) summarize(d *proof.Document) *summary {
	n := len(d.Decided)
	out := &summary{images: n}
	statements := 0
	for _, g := range s.groups {
		switch {
		case g.kinds != nil:
			statements += len(sizesWith0(g.sizes))
		case g.places != nil:
			statements++
		}
	}
	like := func(right, statements int) float64 { return proof.AtLeast(right, n, proof.Doubt/float64(statements)) }
	ranges, spots, chances := 0, 0, 0
	for _, g := range s.groups {
		switch {
		case g.kinds != nil:
			m := moved{name: g.name, ends: make([]float64, n)}
			of := func(x *proof.Image) []proof.Range { return x.Ranges[ranges : ranges+len(g.kinds)] }
			for i := range d.Decided {
				isPast := false
				if m.ends[i], isPast = proof.Reach(of(&d.Decided[i])); isPast {
					m.past++
				}
				m.mean += m.ends[i] / float64(n)
			}
			slices.Sort(m.ends)
			for _, size := range sizesWith0(g.sizes) {
				row := upTo{size: size}
				exact := new(big.Rat).SetFloat64(size)
				for i := range d.Decided {
					if proof.Hold(of(&d.Decided[i]), exact) {
						row.images++
					}
				}
				row.like = like(row.images, statements)
				m.rows = append(m.rows, row)
			}
			out.moved = append(out.moved, m)
			ranges += len(g.kinds)
		case g.places != nil:
			p := placed{name: g.name}
			for i := range d.Decided {
				right, all := 0, 0
				for _, x := range d.Decided[i].Spots[spots : spots+len(g.places)] {
					right += x.Right()
					all += x.Places
				}
				if right == all {
					p.images++
				}
				p.shares = append(p.shares, float64(right)/float64(all))
				p.mean += p.shares[i] / float64(n)
			}
			slices.Sort(p.shares)
			p.like = like(p.images, statements)
			out.placed = append(out.placed, p)
			spots += len(g.places)
		default:
			total := count(s.groups, randomOf)
			for _, c := range g.random {
				x := drawn{name: g.name, size: c.Size, least: 1}
				right, first := 0, 0
				for i := range d.Decided {
					chance := &d.Decided[i].Chances[chances]
					right += chance.Right
					if chance.First {
						first++
					}
					if chance.AtLeast >= often {
						x.often++
					}
					if chance.AtLeast >= always {
						x.always++
					}
					x.least = min(x.least, chance.AtLeast)
				}
				x.measured = float64(right) / float64(n*d.Draws)
				x.atLeast = proof.AtLeast(right, n*d.Draws, proof.Doubt/float64(total))
				x.like = like(first, total)
				out.drawn = append(out.drawn, x)
				chances++
			}
		}
	}
	return out
}

// sizesWith0 are the sizes of a summary, after that of no error.
func sizesWith0(sizes []float64) []float64 {
	return append([]float64{0}, slices.DeleteFunc(slices.Clone(sizes), func(t float64) bool { return t == 0 })...)
}

// leastLike is the images from which on they say anything of others.
const leastLike = 20

// likeness is a bound on images like these.
type likeness struct {
	What    string
	AtLeast float64
}

// likenesses are the bounds on images like these; none of few images.
func (sum *summary) likenesses() (list []likeness) {
	if sum.images < leastLike {
		return nil
	}
	for _, m := range sum.moved {
		for _, row := range m.rows {
			list = append(list, likeness{fmt.Sprintf("%s: right at every size up to %g", m.name, row.size), row.like})
		}
	}
	for _, p := range sum.placed {
		list = append(list, likeness{p.name + ": right at every place", p.like})
	}
	for _, x := range sum.drawn {
		list = append(list, likeness{fmt.Sprintf("%s=%g: right under one draw", x.name, x.size), x.like})
	}
	return list
}
