package robust

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/measure"
)

// The simulated network: ResNet-50 at 224 pixels, of 53 convolutions and a linear layer that are each as long. One core runs it in float
// over the 512 judged images in `forward`, and over the 2048 images that layers are rounded on in four times that.
const (
	simulatedLayers = 54
	simulatedMACs   = 4_100_000_000
	forward         = 100 * time.Second
	moments         = 3 * time.Second  // of a layer: second moments of its inputs, and their factorization
	restart         = 60 * time.Second // of a worker that was lost
)

// slow is an oracle that takes time: that of the bubble of a test.
type slow struct {
	*madeUp
	lost    func() bool // a cell goes down with its worker
	sampled frontier    // on the images that layers are rounded on
	judged  map[int]*frontier
}

// frontier is where a process has come to on some images.
type frontier struct {
	whole time.Duration // of the network over them
	at    int
}

// goTo takes the way to a layer. What lies behind is not kept.
func (f *frontier) goTo(l int) {
	if l < f.at {
		f.at = 0
	}
	time.Sleep(until(f.whole, l) - until(f.whole, f.at))
	f.at = l
}

var errLost = errors.New("the worker was lost")

// until is the time that the network takes up to a layer.
func until(of time.Duration, l int) time.Duration { return of * time.Duration(l) / simulatedLayers }

// work takes the time of a cell, in which the worker may be lost.
func (o *slow) work(took time.Duration) error {
	if o.lost() {
		time.Sleep(took / 2)
		return errLost
	}
	time.Sleep(took)
	return nil
}

func (o *slow) walk(ctx context.Context, needed func(l int) bool, visit func(l int, p *quant.Prepared) error) error {
	return o.madeUp.walk(ctx, needed, func(l int, p *quant.Prepared) error {
		o.sampled.goTo(l)
		if err := o.work(moments); err != nil {
			return err
		}
		return visit(l, p)
	})
}

func (o *slow) items(ctx context.Context, l int, w *quant.Replacement, first, count int) (measure.Items, error) {
	of := forward * time.Duration(count) / judgedImages
	f := o.judged[first]
	if f == nil {
		f = &frontier{whole: of}
		o.judged[first] = f
		time.Sleep(of) // the answers of the float network
	}
	f.goTo(l)
	if err := o.work(of - until(of, l)); err != nil {
		return measure.Items{}, err
	}
	return o.madeUp.items(ctx, l, w, first, count)
}

func (o *slow) span() int { return spanOf(simulatedMACs, judgedImages) }

func (o *slow) macs(l int) int { return simulatedMACs * (simulatedLayers - l) / simulatedLayers }

// hub is a store of the bubble: claims end with a lease, which those of lost workers outlive nowhere.
type hub struct {
	mu       sync.Mutex
	answers  map[cells.Key][]byte
	claims   map[cells.Key]*hold
	computed int
}

type hold struct {
	by   *terminal
	lost time.Time // when its holder was lost; zero while it lives
}

// terminal is a worker's connection to the hub.
type terminal struct {
	*hub
	isLost bool
}

func (h *hub) Get(k cells.Key) ([]byte, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, ok := h.answers[k]
	return a, ok, nil
}

func (h *hub) Put(k cells.Key, answer []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[k] = answer
	h.computed++
	return nil
}

func (t *terminal) Claim(k cells.Key) (func(), bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.claims[k]; c != nil && (c.lost.IsZero() || time.Since(c.lost) < cells.Lease) {
		return nil, false, nil
	}
	c := &hold{by: t}
	t.claims[k] = c
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.isLost {
			c.lost = time.Now() // a machine that is gone renews and releases nothing
		} else if t.claims[k] == c {
			delete(t.claims, k)
		}
	}, true, nil
}

// simulate is the virtual time of a table by some workers, of which a share of the cells takes its worker with it,
// and the cells computed.
func simulate(t *testing.T, workers int, lost float64) (took time.Duration, computed, entries int) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{answers: map[cells.Key][]byte{}, claims: map[cells.Key]*hold{}}
		from := time.Now()
		var all sync.WaitGroup
		for w := range workers {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			all.Go(func() {
				for {
					x := &terminal{hub: h}
					o := &slow{madeUp: newMadeUpOf(t, simulatedLayers), sampled: frontier{whole: 4 * forward}, judged: map[int]*frontier{}}
					o.lost = func() bool {
						x.isLost = x.isLost || rng.Float64() < lost
						return x.isLost
					}
					env := environment(t)
					env.Formats, env.Store = families[0].elems, x
					env.Formats = append(env.Formats, families[1].elems...)
					s, err := newSearch(o.m, env, o, judgedImages, finalImages)
					assert.NoError(t, err)
					if err = s.fill(context.Background(), judgedImages, s.all); err == nil {
						if w > 0 {
							return
						}
						took = time.Since(from) // of the build, which ends the others
						for _, row := range s.menu {
							entries += len(row)
						}
						return
					}
					assert.ErrorIs(t, err, errLost)
					time.Sleep(restart)
				}
			})
		}
		all.Wait()
		computed = h.computed
	})
	return took, computed, entries
}

// newMadeUpOf is newMadeUp over so many small layers.
func newMadeUpOf(t *testing.T, layers int) *madeUp {
	o := newMadeUp(t)
	b := build.New("deep")
	v := b.Input("x", ir.Shape{64, 1, 1}, ir.Range{Lo: 0, Hi: 1})
	for l := range layers {
		var err error
		name := fmt.Sprintf("layer%d", l)
		v, err = b.AddNamed(ir.Conv2D, name, []*ir.Value{v}, ir.AttrWeight.Is(b.Floats(name+".weight", ir.Shape{64, 64, 1, 1}, make([]float32, 64*64))))
		require.NoError(t, err)
	}
	o.m = b.Finish([]*ir.Value{v})
	o.layers = o.m.Layers()
	of := o.of
	o.of = func(l int, f quant.Format, images int) cost { return of(l%layerCount, f, images) }
	return o
}

// TestManyWorkers: the table of ResNet-50 is filled so many times as fast by some workers, also where one cell in a
// hundred takes its worker with it.
func TestManyWorkers(t *testing.T) {
	if testing.Short() { // as under the race detector, which has TestSearchesShareAStore
		t.Skip("takes long")
	}
	alone, computed, entries := simulate(t, 1, 0)
	parts := mostParts
	require.Equal(t, entries*(parts+3), computed) // weights, a word that they are there, the parts, and their total
	least := map[int]float64{10: 7.5, 100: 55, 1000: 60}
	for _, workers := range []int{10, 100, 1000} {
		for _, lost := range []float64{0, .01} {
			if os.Getenv("DNNC_FULL") == "" && (workers > 10 || lost == 0) {
				continue // the more workers, the longer it takes
			}
			took, again, _ := simulate(t, workers, lost)
			t.Logf("%4d workers, %2.0f %% of cells lost: %.1f minutes in place of %.1f hours, %.1f times as fast; %d answers of %d", workers, 100*lost, took.Minutes(), alone.Hours(), float64(alone)/float64(took), again, computed)
			assert.LessOrEqual(t, again, computed+computed/20)
			assert.GreaterOrEqual(t, float64(alone)/float64(took), least[workers])
		}
	}
}
