package robust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/replace"
	"github.com/dnnc/dnnc/runtime/seal"
)

// checkpoint is what a search has measured, as a file.
type checkpoint struct {
	Search      string  `json:"search"`      // hash of all that the costs depend on
	Evaluations int     `json:"evaluations"` // that the costs took
	MACs        int64   `json:"macs"`
	Costs       []saved `json:"costs"`
	Sum         string  `json:"sum,omitempty"` // see runtime/seal
}

type saved struct {
	Layer  string `json:"layer"`
	Format string `json:"format"`
	Images int    `json:"images"`
	Cost   cost   `json:"cost"`
}

// identity is the hash of what the costs depend on: the calibrated network, images,
// errors, seed, rounding and the version of the search.
func (s *Search) identity(on images) (string, error) {
	id := &s.ids[on]
	if *id != "" {
		return *id, nil
	}
	h := sha256.New()
	if err := s.oracle.identify(h, on); err != nil {
		return "", err
	}
	*id = hex.EncodeToString(h.Sum(nil))
	return *id, nil
}

// maxCheckpoint is the most bytes of a checkpoint.
const maxCheckpoint = 1 << 30

// load takes the costs of an earlier run of the same search.
func (s *Search) load() error {
	if s.env.Checkpoint == "" {
		return nil
	}
	text, err := input.Read(s.env.Checkpoint, maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	return s.Restore(text)
}

// Restore takes the costs that an earlier run of the same search has saved; what is
// damaged, or of another search, is refused as a whole.
func (s *Search) Restore(text []byte) error {
	refused := func(help, format string, args ...any) error {
		return diag.New(diag.Pos{File: s.env.Checkpoint}, diag.BadFile, format, args...).WithHelp("%s", help)
	}
	const anew = "delete the file to begin anew"
	var c checkpoint
	if err := json.Unmarshal(text, &c); err != nil {
		return refused(anew, "no checkpoint: %v", err)
	}
	id, err := s.identity(onJudged)
	if err != nil {
		return err
	}
	if c.Search != id {
		return refused(anew+", or name another one", "the checkpoint is of another network, other images, errors or seed, or of another version of the search")
	}
	if err := seal.Check(text); err != nil {
		return refused(anew, "the checkpoint is damaged: %v", err)
	}
	s.spent = effort{c.Evaluations, c.MACs}
	for _, k := range c.Costs {
		for l, n := range s.layers {
			for f, e := range s.menu[l] {
				if n.Name() == k.Layer && e.String() == k.Format && 0 < k.Images && k.Images <= s.judge.images && s.isCost(k.Cost) {
					s.table[l][f].cost, s.table[l][f].images = k.Cost, k.Images
				}
			}
		}
	}
	return nil
}

// save writes the costs measured so far: to a file beside, which is renamed.
func (s *Search) save() error {
	if s.env.Checkpoint == "" {
		return nil
	}
	id, err := s.identity(onJudged)
	if err != nil {
		return err
	}
	c := checkpoint{Search: id, Evaluations: s.spent.evaluations, MACs: s.spent.macs, Costs: []saved{}}
	for l, row := range s.table {
		for f, e := range row {
			if e.images > 0 {
				c.Costs = append(c.Costs, saved{s.layers[l].Name(), s.menu[l][f].String(), e.images, e.cost})
			}
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	err = replace.With(s.env.Checkpoint, func(w io.Writer) error {
		_, err := w.Write(seal.Add(append(text, '\n')))
		return err
	})
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "-checkpoint: %v", err)
	}
	return nil
}
