// Package dataset reads what a network is calibrated and measured on: IDX as MNIST comes
// and the CIFAR-10 binary format, both also gzipped; npz and npy of numpy; CSV; folders of
// PNG and JPEG pictures or of WAV recordings, by class, or of pictures with masks.
//
// What a file holds is told by the shapes that the network takes. Each reading says what it
// assumed, and what is not clear is a diagnostic that lists what there is.
package dataset

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
)

// Want is what is wanted of a data set.
type Want struct {
	Inputs  []Input  // of the network; nil: items of any shape, of reals in [0,1]
	Results []Result // of the network, whose labels arrays may be
	N       int      // items at most, drawn evenly by data.Draw; 0 is all
	Seed    uint64   // of the items that are drawn
	Memory  int      // bytes that reading may take; 0 is 4 GiB
	Part    Part     // of a file that has several
	Options
}

// Options are what the user says of data sets.
type Options struct {
	Inputs []string // arrays, or columns of a CSV, that are the network's inputs, in their order
	Labels []string // arrays or columns that are labels; None of no labels
	Resize bool     // pictures of another size
}

// None is the list of labels where there are none.
const None = "none"

// Part is a part of a data set, by the names that its arrays have: x_train, test_images.
type Part string

// The parts.
const (
	Train Part = "train" // calibration and search
	Test  Part = "test"  // what is reported on
)

// Input is an input of a network: its name, the shape of one element of it, and the bounds
// of its reals. What is by Slack at most beyond them is taken for the bound: half a step of
// an input of integers, which a value is rounded by.
type Input struct {
	Name      string
	Shape     []int
	Low, High float32
	Slack     float32
}

// Result is a result of a network, and the shape of one item's.
type Result struct {
	Name  string
	Shape []int
}

// Data is what was read.
type Data struct {
	data.Batch
	Files  []File
	Arrays []string // of the inputs, as the file calls them
	Said   string   // what was read, and what was assumed of it, in a line
}

// File is a file that a set was read from.
type File struct{ Name, SHA256 string }

// reader reads one data set.
type reader struct {
	Want
	path   string
	left   int // bytes of Memory that are not taken yet
	files  []File
	names  []string         // of the arrays of inputs
	at     []int            // places of the items that are taken, once their number is known
	said   []string         // of the inputs and labels
	unread []weights.Unread // arrays that are no numbers
}

// Load reads the items at path. Errors are diagnostics.
func Load(path string, w Want) (Data, error) {
	s := &reader{Want: w, path: path}
	if s.Memory == 0 {
		s.Memory = 4 << 30
	}
	s.left = s.Memory
	b, err := s.load()
	if err != nil {
		return Data{}, s.fault(err)
	}
	if info, err := os.Stat(path); s.Resize && err == nil && !info.IsDir() {
		s.said = append(s.said, "-resize scales folders of pictures alone")
	}
	return Data{b, s.files, s.names, quote.Line(fmt.Sprintf("data: %s: %s", filepath.Base(path), strings.Join(s.said, "; ")))}, nil
}

// fault makes a diagnostic of any error, at the data set unless it has a place in it.
func (s *reader) fault(err error) error {
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		d = diag.New(diag.Pos{}, diag.BadData, "%v", err)
		if errors.Is(err, input.ErrLarge) {
			d.WithHelp("-mem raises the bound")
		}
	}
	if d.Pos.File == "" {
		d.Pos.File = filepath.Base(s.path)
	}
	// Names of arrays, columns and files may hold anything.
	d.Message, d.Note, d.Help = quote.Line(d.Message), quote.Line(d.Note), quote.Line(d.Help)
	return d
}

// bad is a diagnostic about the data set.
func bad(format string, args ...any) *diag.Diagnostic {
	return diag.New(diag.Pos{}, diag.BadData, format, args...)
}

// damaged is a diagnostic of a file that does not hold what its header says.
func damaged(path, format string, args ...any) *diag.Diagnostic {
	return diag.New(diag.Pos{File: filepath.Base(path)}, diag.BadData, format, args...).
		WithHelp("the file was cut off or damaged: copy it again, or save it anew")
}

func (s *reader) load() (data.Batch, error) {
	if info, err := os.Stat(s.path); err == nil && info.IsDir() {
		return s.folder()
	}
	if isTable(s.path) {
		return s.csv()
	}
	raw, err := s.read(s.path)
	if err != nil {
		return data.Batch{}, err
	}
	switch {
	case len(raw) == 0:
		return data.Batch{}, bad("the file is empty").WithHelp("copy it again, or save it anew")
	case isNumpy(raw):
		return s.numpy(raw)
	case bytes.HasPrefix(raw, []byte{0, 0, 8, 3}):
		return s.idx(raw)
	case len(raw)%cifarRecord == 0:
		return s.cifar(raw)
	}
	return data.Batch{}, bad("no format that dnnc reads").
		WithHelp("npz or npy of numpy, CSV (.csv or .tsv), IDX, CIFAR-10 records of %d bytes, or a folder of pictures or WAV recordings", cifarRecord)
}

// A gzipped file may unpack to this much, and to this many times its own size: data do not
// shrink further, a file made to fill the memory does.
const (
	unpackedFree  = 64 << 20
	unpackedRatio = 64
)

// read returns a file's bytes, unpacked when it is gzipped, and notes its hash.
func (s *reader) read(path string) ([]byte, error) {
	raw, err := input.Read(path, int64(s.left))
	if err != nil {
		return nil, err
	}
	s.left -= len(raw)
	sum := sha256.Sum256(raw)
	s.files = append(s.files, File{filepath.Base(path), hex.EncodeToString(sum[:])})
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, damaged(path, "gzip: %v", err)
	}
	room := min(int64(unpackedFree+unpackedRatio*len(raw)), int64(s.left))
	out, err := io.ReadAll(io.LimitReader(z, room+1))
	switch {
	case err != nil:
		return nil, damaged(path, "gzip: %v", err)
	case int64(len(out)) > room:
		return nil, fmt.Errorf("%s unpacks to more than %d bytes: %w", filepath.Base(path), room, input.ErrLarge)
	}
	s.left -= len(out)
	return out, nil
}

// draw chooses the items that are taken of n: the same ones of inputs and labels.
func (s *reader) draw(n int) []int {
	if s.at == nil {
		s.at = data.Draw(n, s.N, s.Seed)
	}
	return s.at
}

// fits refuses items of more bytes than are left of what reading may take.
func (s *reader) fits(n, each, bytes int) error {
	if each <= 0 || n <= s.left/bytes/each {
		return nil
	}
	return diag.New(diag.Pos{}, diag.Limit, "%d items of %d elements take %.0f bytes in memory, and %d are left of -mem", n, each, float64(n)*float64(each)*float64(bytes), s.left).
		WithHelp("-n and -images take fewer items; -mem raises the bound")
}

// meaning is what the numbers of a file stand for.
type meaning int

const (
	reals   meaning = iota // themselves
	levels                 // bytes that span the declared range
	samples                // of sound: 1 is full scale
)

// array is items of one shape as a file has them.
type array struct {
	name    string // in the file, or what they are
	kind    string // of its numbers, as users of the format call it
	n       int
	shape   []int // of an item
	meaning meaning
	value   func(i, j int) float32  // element j of item i
	place   func(i, j int) diag.Pos // of the element in the file; nil where none is known
	note    string                  // what was assumed already
	lies    func(i int) string      // where item i of the data set lies: its file or line; nil: its number says it
	at      []int                   // the numbers in the data set of items that are drawn; nil: all in their order
}

// size is the elements of an item.
func (a *array) size() int { return product(a.shape) }

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// notFinite is the place of the first value of all items that is NaN or infinite.
func (a *array) notFinite() (i, j int, ok bool) {
	if a.meaning == levels { // bytes
		return 0, 0, false
	}
	for i := range a.n {
		for j := range a.size() {
			if v := a.value(i, j); v-v != 0 {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// String is the array's name with its type and whole shape.
func (a *array) String() string {
	return fmt.Sprintf("%s %s [%s]", a.name, a.kind, dims(append([]int{a.n}, a.shape...)))
}

// item says which item is meant.
func (a *array) item(i int) string {
	if a.at != nil {
		i = a.at[i]
	}
	if a.lies != nil && a.place == nil { // which says more
		return fmt.Sprintf("item %d (%s)", i, a.lies(i))
	}
	return fmt.Sprintf("item %d", i)
}

// drawn is the array with its items at some places first.
func (a *array) drawn(at []int) *array {
	out := *a
	out.value = func(i, j int) float32 { return a.value(at[i], j) }
	out.at = at
	if a.place != nil {
		out.place = func(i, j int) diag.Pos { return a.place(at[i], j) }
	}
	return &out
}

// order is how the elements of an item lie in a file whose shape is not that of the input.
type order struct {
	at  []int // of each element of the input, its place in the file; nil: the same
	how string
}

// fit is the order of an item of a shape that fits an input: of the same shape, but for
// dimensions of 1; with the first dimension at the end, as height, width, channel, or the
// last one at the front; or flat.
func fit(have, want []int) (o order, ok bool) {
	switch {
	case slices.Equal(have, want):
		return order{}, true
	case len(want) > 1 && slices.Equal(have, append(slices.Clone(want[1:]), want[0])):
		return order{at: transposed(product(want[1:]), want[0]), how: lastFirst(want, "last")}, true
	case len(want) > 1 && slices.Equal(have, append([]int{want[len(want)-1]}, want[:len(want)-1]...)):
		last := want[len(want)-1]
		return order{at: transposed(last, product(want)/max(last, 1)), how: lastFirst(want, "first")}, true
	case slices.Equal(squeezed(have), squeezed(want)):
		return order{}, true
	case len(have) == 1 && have[0] == product(want):
		return order{how: fmt.Sprintf("flat, in the order [%s]", dims(want))}, true
	}
	return o, false
}

// lastFirst names where the channels of items lie that must be moved.
func lastFirst(want []int, where string) string {
	switch len(want) {
	case 2:
		return "transposed"
	case 3:
		return map[string]string{"last": "taken as height, width, channel", "first": "taken as channel, height, width"}[where]
	}
	return "channels " + where
}

// transposed is the places in a matrix of rows and columns of the elements of its
// transpose.
func transposed(rows, columns int) []int {
	at := make([]int, 0, rows*columns)
	for c := range columns {
		for r := range rows {
			at = append(at, r*columns+c)
		}
	}
	return at
}

func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

// inputs takes the items that are drawn of arrays, one an input, and says so.
func (s *reader) inputs(arrays []*array) (data.Batch, error) {
	at := s.draw(arrays[0].n)
	n := len(at)
	total := 0
	for _, a := range arrays {
		total += a.size()
	}
	if err := s.fits(n, total, 4); err != nil {
		return data.Batch{}, err
	}
	s.left -= 4 * n * total
	parts := make([]data.Batch, len(arrays))
	for k, a := range arrays {
		s.names = append(s.names, a.name)
		in := Input{Shape: plane(a.shape), High: 1}
		if s.Want.Inputs != nil {
			in = s.Want.Inputs[k]
		}
		x, err := s.take(a.drawn(at), in, n)
		if err != nil {
			return data.Batch{}, err
		}
		parts[k] = data.Batch{N: n, Shape: in.Shape, Levels: a.meaning == levels, X: x}
	}
	b := data.Join(parts...)
	b.At, b.Places = s.placed(arrays[0])
	return b, nil
}

// placed is the numbers and the places of the items that are taken; nil of those that are the
// first ones in their order, and of items without places.
func (s *reader) placed(a *array) (at []int, places []string) {
	for i, from := range s.at {
		if i != from {
			at = s.at
		}
		if a.lies != nil {
			places = append(places, a.lies(from))
		}
	}
	return at, places
}

// plane is the shape of an item as channel, height, width, where it can be one.
func plane(shape []int) []int {
	if len(shape) > 2 {
		return shape
	}
	return append(slices.Repeat([]int{1}, 3-len(shape)), shape...)
}

// take is the first n items of an array as an input has them: reals as they are, bytes and
// samples taken to the range that the input declares, which holds all of them.
func (s *reader) take(a *array, in Input, n int) ([]float32, error) {
	o, ok := fit(a.shape, in.Shape)
	switch {
	case n == 0 || a.size() == 0:
		return nil, bad("%s has no elements", a)
	case !ok:
		return nil, s.misfit(a, in)
	}
	scale := float32(1)
	if a.meaning == samples {
		if scale = -in.Low; !isSymmetric(in) {
			return nil, bad("samples lie on both sides of 0, the input %s is declared in %s", in.Name, bounds(in)).
				WithHelp("declare the range in which the network was trained: %s", declare(in, -1, 1))
		}
	}
	size := a.size()
	x := make([]float32, n*size)
	low, high := float32(math.Inf(1)), float32(math.Inf(-1))
	for i := range n {
		for j := range size {
			from := j
			if o.at != nil {
				from = o.at[j]
			}
			raw := a.value(i, from)
			v := raw
			switch a.meaning {
			case levels:
				v = in.Low + float32(raw/255*(in.High-in.Low))
			case samples:
				v = raw * scale
			default:
				low, high = min(low, v), max(high, v)
			}
			if v < in.Low && v >= in.Low-in.Slack {
				v = in.Low
			}
			if v > in.High && v <= in.High+in.Slack {
				v = in.High
			}
			if !(v >= in.Low && v <= in.High) {
				return nil, a.outside(i, from, n, v, in)
			}
			x[i*size+j] = v
		}
	}
	said := fmt.Sprintf("%s = %s", cmp.Or(in.Name, "images"), a)
	for _, more := range []string{a.note, o.how} {
		if more != "" {
			said += ", " + more
		}
	}
	switch a.meaning {
	case levels:
		said += fmt.Sprintf(", 0..255 span %s", bounds(in))
	case samples:
		said += fmt.Sprintf(", full scale is %g", scale)
	default:
		said += fmt.Sprintf(", reals %.4g to %.4g of %s", low, high, bounds(in))
		if n < a.n {
			said += fmt.Sprintf(", of the %d items drawn", n)
		}
	}
	s.said = append(s.said, said)
	return x, nil
}

// isSymmetric reports a range that is as wide below 0 as above, as that of 16-bit samples
// is but for a step.
func isSymmetric(in Input) bool {
	return in.Low < 0 && math.Abs(float64(in.Low)+float64(in.High)) <= (float64(in.High)-float64(in.Low))/256
}

func bounds(in Input) string { return fmt.Sprintf("[%g,%g]", in.Low, in.High) }

// declare says how the range of an input is declared.
func declare(in Input, low, high float32) string {
	return fmt.Sprintf("%s of a model, \"in [%g,%g]\" in a text", quote.Flag("range", fmt.Sprintf("%s=%g,%g", in.Name, low, high)), low, high)
}

// outside says which value of which item leaves the range that the input declares, and what
// the numbers look like.
func (a *array) outside(i, j, n int, v float32, in Input) *diag.Diagnostic {
	d := bad("%s of %s holds %v at element %d", a.item(i), a.name, v, j)
	if a.place != nil {
		d.Pos = a.place(i, j)
	}
	if v != v || math.IsInf(float64(v), 0) {
		return d.WithHelp("fill the value, or leave the item out")
	}
	if d.Message += fmt.Sprintf(", the input is declared in %s", bounds(in)); in.Name != "" {
		d.Message = strings.Replace(d.Message, "the input is", "the input "+in.Name+" is", 1)
	}
	low, high, isWhole := float32(math.Inf(1)), float32(math.Inf(-1)), true
	for i := range n {
		for j := range a.size() {
			x := a.value(i, j)
			if math.IsInf(float64(x), 0) || x != x {
				continue // which no range holds
			}
			low, high, isWhole = min(low, x), max(high, x), isWhole && x == float32(int32(x))
		}
	}
	switch {
	case a.meaning == samples:
		return d.WithHelp("lower the recording: no sample may lie beyond full scale, which is the end of any range")
	case low >= 0 && high <= mostLevel && (isWhole || high > mostLevel/2) && in.High < mostLevel:
		are, like, way := "go", "do", ""
		if isWhole {
			are, like, way = "are whole numbers", "are", ", or save the array as uint8, whose 0..255 span that range"
			if a.place != nil { // a table, which has no types
				way = ", or save the columns as uint8 in an npz, whose 0..255 span that range"
			}
		}
		d.WithNote("the values %s from %g to %g, as pixels %s", are, low, high, like).
			WithHelp("if the network was trained on %s, %s%s; if it was trained on such values, declare the range: %s", bounds(in), data.Convert(0, mostLevel, in.Low, in.High), way, declare(in, 0, mostLevel))
	default:
		wide := in
		wide.Low, wide.High = widened(low, high)
		d.WithNote("the values go from %g to %g", low, high).
			WithHelp("scale the data as they were for training; or, if the network was trained on such values, declare the range, which all data must lie in: %s", declare(in, wide.Low, wide.High))
	}
	if in.Name == "" {
		d.Help = "without a network reals are in [0,1]: scale them, or save bytes"
	}
	return d
}

// mostLevel is the greatest value of a pixel of 8 bits.
const mostLevel = 255

// widened is the least usual range of inputs that holds reals from low to high; else a range with
// room for others.
func widened(low, high float32) (from, to float32) {
	for _, r := range [][2]float32{{0, 1}, {-1, 1}, {0, mostLevel}} {
		if low >= r[0] && high <= r[1] && (high-low)*4 > r[1]-r[0] {
			return r[0], r[1]
		}
	}
	width := float64(high) - float64(low)
	if width == 0 { // one value alone, and a range has two ends
		width = cmp.Or(math.Abs(float64(high)), 1)
	}
	// A tenth of the width to each side, at two digits.
	step, room := math.Pow(10, math.Floor(math.Log10(width))-1), width/10
	from, to = float32(math.Floor((float64(low)-room)/step)*step), float32(math.Ceil((float64(high)+room)/step)*step)
	if low >= 0 {
		from = max(from, 0)
	}
	return from, to
}

// misfit says that no order makes an item of an array one of an input.
func (s *reader) misfit(a *array, in Input) *diag.Diagnostic {
	d := bad("%s has items of [%s], the network takes [%s] as %s", a.name, dims(a.shape), dims(in.Shape), in.Name)
	switch {
	case slices.Equal(append([]int{a.n}, a.shape...), in.Shape):
		d.WithHelp("the first dimension counts items: save x[None] of one item")
	case a.meaning == levels && len(a.shape) == 3 && len(in.Shape) == 3:
		d.WithHelp("scale the pictures as they were for training; of a folder of pictures -resize does it")
	default:
		d.WithHelp("save items of the shape that the network takes")
	}
	for _, u := range s.unread {
		if len(u.Shape) == len(in.Shape)+1 && slices.Equal(u.Shape[1:], in.Shape) {
			d.WithNote("the array %s has %v", u.Name, u.Err).WithHelp("save it as float32 or as uint8")
		}
	}
	return d
}

// dims is a shape as it is written between brackets.
func dims(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ",")
}

// isSingle refuses formats that have one array for a network of several inputs.
func (s *reader) isSingle() error {
	if len(s.Want.Inputs) < 2 {
		return nil
	}
	return bad("data of %d inputs come as an npz with an array named like each: %s", len(s.Want.Inputs), names(s.Want.Inputs))
}

func names(inputs []Input) string {
	list := make([]string, len(inputs))
	for i, in := range inputs {
		list[i] = in.Name
	}
	return strings.Join(list, " ")
}

// nameless says that names of arrays are of no use in a format that has none: they may be
// of another data set.
func (s *reader) nameless() {
	if len(s.Options.Inputs) > 0 {
		s.said = append(s.said, "-inputs names nothing here")
	}
	if len(s.Labels) > 0 && !s.unlabelled() {
		s.said = append(s.said, "-labels names nothing here")
	}
}

// withoutLabels reports labels that are not taken, and says why: those that the user does not
// want, and such without a name where there are several results.
func (s *reader) withoutLabels(from string) bool {
	if s.unlabelled() {
		s.said = append(s.said, fmt.Sprintf("no labels; left out: %s (-labels %s)", from, None))
		return true
	}
	if len(s.Results) > 1 {
		s.said = append(s.said, fmt.Sprintf("no labels; left out: %s (which of the results %s they are of is not clear: an npz has an array named like each)", from, strings.Join(s.resultNames(), ", ")))
		return true
	}
	return false
}

// unlabelled reports that the user wants no labels.
func (s *reader) unlabelled() bool { return slices.Equal(s.Labels, []string{None}) }

// classes gives the items of a batch their classes.
func (s *reader) classes(b *data.Batch, labels []int, from string) {
	if labels == nil {
		s.said = append(s.said, "no labels")
		return
	}
	if s.withoutLabels(from) {
		return
	}
	b.Labels = make([]int, b.N)
	for i, from := range s.at {
		b.Labels[i] = labels[from]
	}
	s.said = append(s.said, "labels = "+from)
}
