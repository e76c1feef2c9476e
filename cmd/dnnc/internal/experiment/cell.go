package experiment

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Version is of what cells mean: another one when the errors, the measures or the
// integers give other values, so that what was measured before is of the past.
const Version = 3

// setting is what a network is chosen or rounded on.
type setting struct {
	Errors      string   `json:"errors"`
	Images      int      `json:"images"`
	Judged      int      `json:"judged"`
	Ranges      string   `json:"ranges"`
	Activations string   `json:"activations,omitempty"` // bits that are not 8
	Formats     []string `json:"formats"`
	MinBits     float64  `json:"min,omitempty"`
	MaxBits     float64  `json:"max,omitempty"`
	Rounding    string   `json:"rounding,omitempty"`
}

// choice is the question which formats a method gives the layers.
type choice struct {
	Version     int     `json:"version"`
	Search      int     `json:"search"` // robust.Version
	Network     string  `json:"network"`
	Module      string  `json:"module"`      // hash of text and constants
	Calibration string  `json:"calibration"` // hash of the images
	Seed        uint64  `json:"seed"`
	Setting     setting `json:"setting"`
	Method      string  `json:"method"`
	Objective   string  `json:"objective,omitempty"` // of method plan
	Bits        float64 `json:"bits"`
	Effort      float64 `json:"effort,omitempty"` // of Q*: share of Qed's table
	Task        string  `json:"task,omitempty"`   // "" of one label an item
}

// The methods that are none of -search.
const (
	floatMethod = "float"
	planMethod  = "plan" // the dynamic program over one objective
)

// shipped is a network as it is measured: a choice rounded on a setting.
type shipped struct {
	Choice  string  `json:"choice"` // key; "" of the float network
	Setting setting `json:"setting"`
	Module  string  `json:"module"`
	Test    string  `json:"test"` // hash of the images
	Seed    uint64  `json:"seed"`
}

// score is the question which images a network answers rightly under errors.
type score struct {
	Version  int     `json:"version"`
	Network  shipped `json:"network"`
	Measured string  `json:"measured"`
	Images   int     `json:"images"`
	Task     string  `json:"task,omitempty"` // "" of one label an item
}

// boundary is the question how far from its images a network's answers are right.
type boundary struct {
	Version int     `json:"version"`
	Network shipped `json:"network"`
	Kind    string  `json:"kind"`
	Images  int     `json:"images"`
}

// sides is the question at how many images a network is proved right up to sizes of errors, beside those at which it is.
type sides struct {
	Version int     `json:"version"`
	Network shipped `json:"network"`
	Errors  string  `json:"errors"`
	Images  int     `json:"images"`
	Task    string  `json:"task,omitempty"` // "" of one label an item
}

// plane is the question what networks answer on the plane through three images.
type plane struct {
	Version  int       `json:"version"`
	Networks []shipped `json:"networks"`
	Number   int       `json:"number"` // of the triple of images
	Points   int       `json:"points"`
	Images   int       `json:"images"` // that the triples are taken from
}

// chosen is the answer to a choice.
type chosen struct {
	None        bool     `json:"none,omitempty"` // nothing is this small
	Formats     []format `json:"formats,omitempty"`
	Bytes       int      `json:"bytes"` // packed weights with their codebooks
	Size        int      `json:"size"`  // with the channels' constants
	Weights     int      `json:"weights"`
	KL          float64  `json:"kl"`
	Evaluations int      `json:"evaluations"`
	MACs        int64    `json:"macs"`
	Table       int64    `json:"table"` // multiply-adds of Qed's whole table
	Layers      []layer  `json:"layers,omitempty"`
}

// layer is what a search knows of one layer.
type layer struct {
	Name    string  `json:"name"`
	Op      string  `json:"op"`
	Weights int     `json:"weights"`
	MACs    int     `json:"macs"`
	Options []entry `json:"options"`
}

// entry is a format that a layer may have.
type entry struct {
	Format string  `json:"format"`
	Bytes  int     `json:"bytes"`
	Cycles float64 `json:"cycles"`
	Cost   float64 `json:"cost"` // KL of the network in which this layer alone has the format
	Known  bool    `json:"known"`
}

// format is a quant.Format in words.
type format struct {
	Elem     string  `json:"elem"`
	Rounding string  `json:"rounding"`
	Sparsity float64 `json:"sparsity,omitempty"`
}

func wordsOf(list []quant.Format) (out []format) {
	for _, f := range list {
		out = append(out, format{f.Elem.String(), f.Rounding, f.Sparsity})
	}
	return out
}

// parse is the formats that words stand for.
func (c *chosen) parse() ([]quant.Format, error) {
	var list []quant.Format
	for _, f := range c.Formats {
		e, ok := ir.ParseElem(f.Elem)
		if !ok {
			return nil, fmt.Errorf("experiment: no format %q", f.Elem)
		}
		list = append(list, quant.Format{Elem: e, Rounding: f.Rounding, Sparsity: f.Sparsity})
	}
	return list, nil
}

// scored is the answer to a score.
type scored struct {
	None   bool     `json:"none,omitempty"`
	Images int      `json:"images"`
	Kinds  []kind   `json:"kinds,omitempty"`
	Rest   []scored `json:"rest,omitempty"` // of several results those after the first
}

// kind is a measure.Kind whose answers are bits, lowest first, in base64; of other tasks
// than one label an item shares of the measure.
type kind struct {
	Name     string      `json:"name"`
	Sizes    []float64   `json:"sizes"`
	Right    []string    `json:"right"`
	Own      [][]float64 `json:"own,omitempty"`
	Constant [][]float64 `json:"constant,omitempty"`
}

// distanced is the answer to a boundary: distances by image.
type distanced struct {
	None      bool      `json:"none,omitempty"`
	Distances []float64 `json:"distances"`
}

// besides is the answer to sides.
type besides struct {
	None bool             `json:"none,omitempty"`
	List []certify.Beside `json:"list"`
}

// planed is the answer to a plane; it has no points where the images have no so many
// triples of different classes.
type planed struct {
	Corners [3]int   `json:"corners"` // the images
	Points  int      `json:"points"`
	Answers []string `json:"answers"` // of each network, a byte a point in base64; "" of none
}

func packBits(x []bool) string {
	b := make([]byte, (len(x)+7)/8)
	for i, v := range x {
		if v {
			b[i/8] |= 1 << (i % 8)
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

func unpackBits(s string, n int) ([]bool, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != (n+7)/8 {
		return nil, fmt.Errorf("experiment: %d bytes of answers of %d images", len(b), n)
	}
	x := make([]bool, n)
	for i := range x {
		x[i] = b[i/8]>>(i%8)&1 == 1
	}
	return x, nil
}

func newScored(s *measure.Score) scored {
	out := scored{Images: s.Images}
	for _, k := range s.Kinds {
		w := kind{Name: k.Name, Sizes: k.Sizes}
		for _, r := range k.Right {
			w.Right = append(w.Right, packBits(r))
		}
		if k.Right == nil {
			w.Own, w.Constant = k.Own, k.Constant
		}
		out.Kinds = append(out.Kinds, w)
	}
	for _, r := range s.Rest {
		out.Rest = append(out.Rest, newScored(r))
	}
	return out
}

// of is the answer for one of several results.
func (s *scored) of(result int) (*scored, error) {
	switch {
	case result == 0 || s.None:
		return s, nil
	case result > len(s.Rest):
		return nil, fmt.Errorf("experiment: a score of %d results has no result %d", 1+len(s.Rest), result)
	}
	return &s.Rest[result-1], nil
}

// score is the measure.Score that was kept.
func (s *scored) score() (*measure.Score, error) {
	out := &measure.Score{Images: s.Images}
	for _, k := range s.Kinds {
		w := measure.Kind{Name: k.Name, Sizes: k.Sizes, Own: k.Own, Constant: k.Constant}
		for _, shares := range slices.Concat(k.Own, k.Constant) {
			if len(shares) != s.Images {
				return nil, fmt.Errorf("experiment: shares of %d images, not of %d", len(shares), s.Images)
			}
		}
		for _, r := range k.Right {
			x, err := unpackBits(r, s.Images)
			if err != nil {
				return nil, err
			}
			w.Right = append(w.Right, x)
		}
		out.Kinds = append(out.Kinds, w)
	}
	return out, nil
}

// store keeps the answers of cells: in a folder, a file each, named by the hash of
// its question; without one in the store that searches have.
type store struct {
	folder  string
	answers cells.Store
	newest  time.Time // of the answers that were read or written
}

// record is a file of the folder, or an answer of the store.
type record struct {
	Day      string          `json:"day,omitempty"` // of an answer of the store, which dates no files
	Question json.RawMessage `json:"question"`
	Answer   json.RawMessage `json:"answer"`
	Sum      string          `json:"sum,omitempty"` // of the answer; older stores have none
}

// sumOf is the hash of an answer: what a disk or an editor changed in it is none.
func sumOf(answer []byte) string {
	sum := sha256.Sum256(answer)
	return hex.EncodeToString(sum[:8])
}

// keyOf is the hash of a question.
func keyOf(question any) (string, error) {
	text, err := json.Marshal(question)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func openStore(folder string, answers cells.Store) (*store, error) {
	if folder == "" {
		return &store{answers: answers}, nil
	}
	if err := os.MkdirAll(filepath.Join(folder, "tables"), 0o755); err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadOutput, "-results: %v", err)
	}
	return &store{folder: folder}, nil
}

func (s *store) path(kind, key string) string {
	return filepath.Join(s.folder, kind+"-"+key[:24]+".json")
}

// content is what is kept of a question.
func (s *store) content(c *cell) ([]byte, bool) {
	if s.folder == "" {
		text, ok, err := s.answers.Get(c.shared())
		return text, ok && err == nil
	}
	text, err := input.Read(s.path(c.kind, c.key), 1<<30)
	return text, err == nil
}

// read finds the answer to a question; one that is damaged counts as none.
func (s *store) read(c *cell) bool {
	text, ok := s.content(c)
	if !ok {
		return false
	}
	var r record
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a damaged "sum" is none
	if d.Decode(&r) != nil {
		return false
	}
	asked, err := json.Marshal(c.question) // a file may have been edited or renamed
	if err != nil || !bytes.Equal(asked, r.Question) || r.Sum != "" && r.Sum != sumOf(r.Answer) || json.Unmarshal(r.Answer, c.answer) != nil {
		return false
	}
	if s.folder == "" {
		day, err := time.Parse(time.DateOnly, r.Day)
		s.dated(day)
		return err == nil
	}
	if info, err := os.Stat(s.path(c.kind, c.key)); err == nil {
		s.dated(info.ModTime())
	}
	return true
}

func (s *store) dated(t time.Time) {
	if t.After(s.newest) {
		s.newest = t
	}
}

// write keeps an answer.
func (s *store) write(c *cell) error {
	question, err := json.Marshal(c.question)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(c.answer)
	if err != nil {
		return err
	}
	r, now := record{Question: question, Answer: answer, Sum: sumOf(answer)}, time.Now()
	if s.folder == "" {
		r.Day = now.UTC().Format(time.DateOnly)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.dated(now)
	if s.folder == "" {
		return s.answers.Put(c.shared(), text)
	}
	return driver.Replace(s.path(c.kind, c.key), append(text, '\n'))
}

// cell is a question, its answer once there is one, and where it is kept.
type cell struct {
	kind, key string
	question  any
	answer    any // a pointer
	done      bool
}

// shared is the key of a cell among the answers of searches.
func (c *cell) shared() cells.Key {
	return cells.KeyOf(version.Compiler, runtime.GOARCH, "experiment", c.kind, c.key)
}

func newCell(kind string, question, answer any) (*cell, error) {
	key, err := keyOf(question)
	return &cell{kind: kind, key: key, question: question, answer: answer}, err
}
