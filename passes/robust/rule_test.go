package robust

import (
	"compress/gzip"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/measure"
)

// recorded is the answers of networks to 5,000 images, clean and under two errors; the
// float network's first. go run ./cmd/keep -record writes them.
type recorded struct {
	bytes   []int
	answers [][]byte // [network][image], bits by condition
}

func readAnswers(t *testing.T) (r recorded) {
	f, err := os.Open("testdata/answers.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Fields(line)
		require.Len(t, fields, 3)
		bytes, err := strconv.Atoi(fields[1])
		require.NoError(t, err)
		r.bytes, r.answers = append(r.bytes, bytes), append(r.answers, []byte(fields[2]))
		require.Len(t, fields[2], 5000)
	}
	require.Len(t, r.answers, 21)
	require.True(t, slices.IsSorted(r.bytes))
	return r
}

// score is what network k answers to images of a list.
func (r *recorded) score(k int, images []int) *measure.Score {
	s := &measure.Score{Images: len(images), Labels: make([]int, len(images))}
	for c, name := range []string{measure.Clean, "gaussian", "fog-blend"} {
		right := make([]bool, len(images))
		for i, image := range images {
			right[i] = (r.answers[k][image]-'0')>>c&1 == 1
		}
		s.Kinds = append(s.Kinds, measure.Kind{Name: name, Sizes: []float64{1}, Right: [][]bool{right}})
	}
	return s
}

// within is the greatest network of at most so many bytes, 0 of none.
func (r *recorded) within(bytes int) int {
	i, found := slices.BinarySearch(r.bytes, bytes)
	if found {
		return i
	}
	return i - 1
}

// choose is the rule of -keep: a hunt by estimates on some images, and a test of the
// networks near what it found on others. It is 0 where nothing was shown.
func (r *recorded) choose(t *testing.T, keep float64, hunted, judged []int) int {
	network := func(k int) *Network {
		if k <= 0 {
			return nil
		}
		return &Network{Bytes: r.bytes[k]}
	}
	index := func(n *Network) int { return slices.Index(r.bytes, n.Bytes) }
	h := newHunt([2]int{r.bytes[1], r.bytes[len(r.bytes)-1]}, 1-keep)
	first, _ := h.next()
	exact := r.score(0, hunted)
	found, best, err := h.find(first, keep, func() bool { return false }, func(bytes int, _ bool) (*Network, measure.Estimate, error) {
		n := network(r.within(bytes))
		if n == nil {
			return nil, measure.Estimate{}, nil
		}
		return n, r.score(index(n), hunted).Retention(exact), nil
	})
	require.NoError(t, err)
	if found == nil {
		found = best
	}
	list, err := candidates(found, mostSpan, h.high, func(bytes int) (*Network, error) { return network(r.within(bytes)), nil })
	require.NoError(t, err)
	assert.LessOrEqual(t, len(list), mostCandidates)
	exact = r.score(0, judged)
	passed, _, err := inSequence(list, keep, func(n *Network) (measure.Bound, error) {
		return measure.Keeps(r.score(index(n), judged), exact, false), nil
	})
	require.NoError(t, err)
	if passed < 0 {
		return 0
	}
	return index(list[passed])
}

// TestPromisesAreKept draws images with replacement, chooses by the rule, and holds the
// choice to all images: it keeps less than was promised in at most 5.5 % of the draws, and
// the rule does choose.
func TestPromisesAreKept(t *testing.T) {
	if testing.Short() { // as under the race detector: nothing runs side by side
		t.Skip("takes long")
	}
	r := readAnswers(t)
	everything := make([]int, len(r.answers[0]))
	for i := range everything {
		everything[i] = i
	}
	exact := r.score(0, everything)
	truth := make([]float64, len(r.answers))
	for k := range truth {
		truth[k] = r.score(k, everything).Retention(exact).Value
	}
	isFull := os.Getenv("DNNC_FULL") != ""
	for _, n := range []int{512, 1000, 2500} {
		draws := 10_000
		if !isFull {
			draws = 100_000 / n
		}
		chance := 3 * math.Sqrt(.05*.95/float64(draws)) // of so few draws
		if isFull {
			chance = 0
		}
		for _, keep := range []float64{.988, .99, .995, .998} {
			broken, chosen := 0, 0
			rng := rand.New(rand.NewPCG(uint64(n), math.Float64bits(keep)))
			draw := func(n int) []int {
				list := make([]int, n)
				for i := range list {
					list[i] = rng.IntN(len(everything))
				}
				return list
			}
			for range draws {
				if k := r.choose(t, keep, draw(n/2), draw(n)); k > 0 {
					chosen++
					if truth[k] < keep {
						broken++
					}
				}
			}
			t.Logf("%d images, keep %v: of %d draws %d networks, %d below", n, keep, draws, chosen, broken)
			assert.LessOrEqual(t, float64(broken)/float64(draws), .055+chance, "%d images, keep %v", n, keep)
			if n == 2500 && keep < .998 { // beyond it few networks are shown to
				assert.Greater(t, chosen, draws/4, "keep %v", keep)
			}
		}
	}
}
