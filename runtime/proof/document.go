package proof

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/seal"
)

// Version is that of the documents that this package writes and reads.
const Version = 2

// Statement is what a document says, and what it does not.
const Statement = "proved for these images under this error model; says nothing of other images"

// MostDraws bounds the draws of a random error of an image.
const MostDraws = 1 << 30

// Document is what was proved of a network on given images.
type Document struct {
	Version   int    `json:"version"`
	Statement string `json:"statement"`
	Network   string `json:"network"`
	Content   string `json:"content"` // see Content
	Task      string `json:"task"`    // as -task says it
	Right     string `json:"right"`   // Labels or Own
	Data      []File `json:"data"`
	Images    int    `json:"images"` // that were asked for
	Drawn     int    `json:"drawn"`  // 0: all of the data, in their order; else drawn from them with the seed
	Seed      uint64 `json:"seed"`
	Errors    string `json:"errors"` // as -errors writes them, with the sizes of the summary
	// Draws is of each image under each size of a random error, which were fixed before the first.
	Draws   int     `json:"draws,omitempty"`
	Decided []Image `json:"decided"`
	// MultiplyAdds is what the ranges and the places took, Whole what evaluating every distinct
	// image by itself up to the same sizes would.
	MultiplyAdds int64  `json:"multiply_adds"`
	Whole        int64  `json:"multiply_adds_of_whole_runs"`
	Sum          string `json:"sum,omitempty"` // see runtime/seal
}

// What makes an answer right.
const (
	Labels = "the label"                             // that came with the image
	Own    = "the network's answer without an error" // where there are no labels
)

// File is a file of the data.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Image is what was decided of one image.
type Image struct {
	SHA256 string  `json:"sha256"` // of its reals, float32, least byte first
	Right  int     `json:"right"`  // the right answer
	Ranges []Range `json:"ranges"`
	// Spots and Chances are of the errors that have places, and of the random ones.
	Spots   []Spots  `json:"spots,omitempty"`
	Chances []Chance `json:"chances,omitempty"`
}

// Range is the sizes of one error from 0 on under which the answer stays right.
type Range struct {
	Kind string `json:"kind"`
	Way  string `json:"way,omitempty"`
	// Distinct is the images of integers that the error makes of this one, of size 0 to 1.
	Distinct int `json:"distinct"`
	// To is where the sizes with the right answer end, nil where it is wrong without an error;
	// To itself is among them if Including.
	To        *Size `json:"to"`
	Including bool  `json:"including,omitempty"`
	Then      *int  `json:"then,omitempty"` // the wrong answer; nil of an error that never makes one
	// Past says that a measurement at 20 sizes finds the answer right beyond the end: see Verdict.
	Past bool `json:"sampled_past,omitempty"`
}

// Spots is the places of one error at which the answer is right: all but those that are listed.
type Spots struct {
	Kind   string `json:"kind"`
	Way    string `json:"way,omitempty"`
	Extent int    `json:"extent"` // the side of a square, or the most pixels or samples of a translation
	Places int    `json:"places"`
	// Distinct is the images of integers that the places and no error make.
	Distinct int `json:"distinct"`
	// Clean is the wrong answer without an error, after which no place is decided; nil of a right one.
	Clean *int    `json:"clean,omitempty"`
	Wrong []Wrong `json:"wrong,omitempty"`
}

// Wrong is a place with a wrong answer.
type Wrong struct {
	Row    int `json:"row"`
	Column int `json:"column"`
	Answer int `json:"answer"`
}

// Right is the number of places at which the answer is right.
func (s *Spots) Right() int {
	if s.Clean != nil {
		return 0
	}
	return s.Places - len(s.Wrong)
}

// Chance is what draws of a random error show of its image.
type Chance struct {
	Kind  string  `json:"kind"`
	Size  float64 `json:"size"`
	Right int     `json:"right"` // of the draws
	First bool    `json:"first"` // whether the first draw is right
	// AtLeast is the bound on the probability of a right answer: see AtLeast.
	AtLeast float64 `json:"at_least"`
}

// Size is a size of an error, exactly: as text a fraction.
type Size struct{ big.Rat }

func sizeOf(r *big.Rat) *Size {
	s := &Size{}
	s.Set(r)
	return s
}

// MarshalJSON is the fraction as a text.
func (s *Size) MarshalJSON() ([]byte, error) { return json.Marshal(s.RatString()) }

// mostDigits bounds the text of a size: those of images have a tenth of them.
const mostDigits = 2000

// UnmarshalJSON reads a fraction of digits from 0 to 1.
func (s *Size) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	if strings.Trim(text, "0123456789/") != "" || len(text) > mostDigits {
		return fmt.Errorf("%.40q is no fraction", text)
	}
	if _, ok := s.SetString(text); !ok || s.Cmp(one) > 0 {
		return fmt.Errorf("%.40q is no size from 0 to 1", text)
	}
	return nil
}

// Float is the nearest float64.
func (s *Size) Float() float64 {
	f, _ := s.Float64()
	return f
}

// Holds reports whether the answer is proved right at all sizes up to one.
func (r *Range) Holds(size *big.Rat) bool {
	if r.To == nil {
		return false
	}
	c := r.To.Cmp(size)
	return c > 0 || c == 0 && r.Including
}

// Hold reports whether an image is proved right at all sizes up to one in every direction of an error.
func Hold(list []Range, size *big.Rat) bool {
	return !slices.ContainsFunc(list, func(r Range) bool { return !r.Holds(size) })
}

// Reach is where the first of the directions of an error makes an image wrong: 0 where it is wrong
// without one, 1 where none does. past reports that a measurement at 20 sizes misses it in some direction.
func Reach(list []Range) (to float64, past bool) {
	to = 1
	for _, r := range list {
		if r.To == nil {
			return 0, false
		}
		to, past = min(to, r.To.Float()), past || r.Past
	}
	return to, past
}

// NewRange is the range of a verdict; then is the answer at its end.
func NewRange(k *Kind, p *Path, v Verdict, then int) Range {
	r := Range{Kind: k.Name, Way: k.Way, Distinct: 1 + len(p.Steps)}
	switch {
	case v.Wrong < 0:
		r.Then = &then
	case v.Wrong == len(p.Steps):
		r.To, r.Including = sizeOf(one), true
	default:
		s := p.Steps[v.Wrong]
		r.To, r.Including, r.Then, r.Past = sizeOf(s.At), s.After, &then, v.Past
	}
	return r
}

// NewSpots is the spots of a tally; answer tells the decision of integers.
func NewSpots(s *Places, extent int, t Tally, answer func(y []int8) int) Spots {
	out := Spots{Kind: s.Kind.Name, Way: s.Kind.Way, Extent: extent, Places: len(s.List), Distinct: t.Distinct}
	if t.Clean != nil {
		clean := answer(t.Clean)
		out.Clean = &clean
	}
	for _, m := range t.Misses {
		out.Wrong = append(out.Wrong, Wrong{m.Place.Row, m.Place.Column, answer(m.Answer)})
	}
	return out
}

// JSON is the document's bytes, sealed.
func (d *Document) JSON() ([]byte, error) {
	bare := *d
	bare.Sum = ""
	return seal.JSON(bare, " ")
}

// Parse reads a document, and fails unless its bytes are those that were sealed.
func Parse(raw []byte) (*Document, error) {
	d := &Document{}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("no proof: %w", err)
	}
	if d.Version != Version {
		return nil, fmt.Errorf("a proof of version %d; this dnnc reads version %d", d.Version, Version)
	}
	return d, seal.Check(raw)
}

// Content is the hash of all that decides about a network's integers: its types, operations and
// constants, but neither names nor what the passes of a target chose. So an object has the
// content of the quantized network that it was made of.
func Content(m *ir.Module) (string, error) {
	c := contents{m.AllUsers(), m.Returned(), map[*ir.Value][]byte{}}
	for i, v := range m.Inputs {
		c.of[v] = c.hash(func(h hash.Hash) { fmt.Fprintf(h, "input %d %v ", i, v.Type.Shape); typed(h, v.Type) })
	}
	for _, n := range m.Ops {
		if err := c.node(n); err != nil {
			return "", fmt.Errorf("%s: %w", n.Name(), err)
		}
	}
	return hex.EncodeToString(c.hash(func(h hash.Hash) {
		for _, v := range m.Outputs {
			h.Write(c.of[v])
		}
	})), nil
}

type contents struct {
	users    map[*ir.Value][]*ir.Node
	returned map[*ir.Value]bool
	of       map[*ir.Value][]byte // hash of what computes it
}

func (c *contents) hash(write func(h hash.Hash)) []byte {
	h := sha256.New()
	write(h)
	return h.Sum(nil)
}

// typed is how integers stand for reals, which rules read from a type.
func typed(h hash.Hash, t ir.Type) {
	fmt.Fprintf(h, "%s zero %d ", t.Elem, t.Quant.Zero)
	_ = binary.Write(h, binary.LittleEndian, t.Quant.Scale) // a hash takes all
}

// chosen are the attributes that change no integer.
var chosen = []ir.AttrKey{ir.AttrImpl, ir.AttrMultiply, ir.AttrTile, ir.AttrUnroll, ir.AttrScratch, ir.AttrLag, ir.AttrPool, ir.AttrLo, ir.AttrHi, ir.AttrBits, ir.AttrRounding, ir.AttrSparsity}

func (c *contents) node(n *ir.Node) error {
	lo, hi := -128, 127
	if n.Op.Takes(ir.AttrLo) {
		lo, hi = n.Int(ir.AttrLo), n.Int(ir.AttrHi)
	}
	// A convolution that keeps the greatest of its outputs is one before a pooling; the bounds
	// of both are the convolution's.
	if pool := c.pooled(n); pool != nil {
		lo, hi = max(lo, pool.Int(ir.AttrLo)), min(hi, pool.Int(ir.AttrHi))
	}
	if n.Op == ir.MaxPool2D && n.Args[0].Def != nil && c.pooled(n.Args[0].Def) == n {
		lo, hi = -128, 127
	}
	var failed error
	own := c.hash(func(h hash.Hash) {
		fmt.Fprintf(h, "%s %d %d ", n.Op, lo, hi)
		typed(h, n.Out.Type)
		for _, a := range n.Args {
			h.Write(c.of[a])
		}
		var list []string
		for _, a := range n.Attrs {
			text := fmt.Sprint(a.Value)
			if slices.Contains(chosen, a.Key) || text == fmt.Sprint(n.Op.Attr(a.Key).Default) ||
				n.Op == ir.MaxPool2D && a.Key == ir.AttrStride && text == fmt.Sprint(n.Ints(ir.AttrKernel)) {
				continue
			}
			if k, isConst := a.Value.(*ir.Const); isConst {
				raw, err := k.Load()
				failed = errors.Join(failed, err)
				text = fmt.Sprintf("%s %v %x", k.Type.Elem, k.Type.Shape, sha256.Sum256(raw))
			}
			list = append(list, fmt.Sprintf("%s: %s\n", a.Key, text))
		}
		slices.Sort(list)
		fmt.Fprint(h, list)
	})
	if height, width := n.Pool(); height*width > 1 {
		conv := own
		own = c.hash(func(h hash.Hash) {
			fmt.Fprintf(h, "%s -128 127 ", ir.MaxPool2D)
			typed(h, n.Out.Type)
			h.Write(conv)
			fmt.Fprint(h, []string{fmt.Sprintf("%s: %v\n", ir.AttrKernel, []int{height, width})})
		})
	}
	c.of[n.Out] = own
	return failed
}

// pooled is the pooling that a target may put into a convolution; nil of none.
func (c *contents) pooled(conv *ir.Node) *ir.Node {
	if conv.Op != ir.Conv2D || conv.Has(ir.AttrPool) || c.returned[conv.Out] {
		return nil
	}
	users := c.users[conv.Out]
	if len(users) != 1 || users[0].Op != ir.MaxPool2D || users[0].Out.Type.Quant != conv.Out.Type.Quant {
		return nil
	}
	return users[0]
}
