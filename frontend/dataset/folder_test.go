package dataset

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/data"
)

// put writes a picture of one colour.
func put(t testing.TB, path string, w, h int, c color.Color) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	var img interface {
		image.Image
		Set(x, y int, c color.Color)
	} = image.NewNRGBA(image.Rect(0, 0, w, h))
	if _, gray := c.(color.Gray); gray {
		img = image.NewGray(image.Rect(0, 0, w, h))
	}
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	var b bytes.Buffer
	if filepath.Ext(path) == ".jpg" {
		require.NoError(t, jpeg.Encode(&b, img, nil))
	} else {
		require.NoError(t, png.Encode(&b, img))
	}
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
}

func TestFolderOfClasses(t *testing.T) {
	dir := t.TempDir()
	red := color.NRGBA{255, 0, 0, 255}
	put(t, filepath.Join(dir, "cat", "b.png"), 3, 2, red)
	put(t, filepath.Join(dir, "cat", "a.PNG"), 3, 2, color.NRGBA{0, 0, 255, 255})
	put(t, filepath.Join(dir, "ape", "x.jpg"), 3, 2, color.Gray{51})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ape", "notes.txt"), []byte("no picture"), 0o644))
	s, err := Open(dir)
	require.NoError(t, err)
	assert.Equal(t, 3, s.Len())
	assert.Equal(t, []int{3, 2, 3}, s.Shape(), "gray pictures among coloured ones have three planes")
	assert.Equal(t, []int{0, 1, 1}, []int{s.Label(0), s.Label(1), s.Label(2)}, "by name, one of each class in turn")
	x := make([]float32, 18)
	s.Image(1, x)
	assert.Equal(t, []float32{0, 0, 1}, []float32{x[0], x[6], x[12]}, "a.PNG comes before b.png")
	require.Len(t, s.Files, 1)
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	assert.ElementsMatch(t, []string{dir, in("ape"), in("cat"), in("ape", "x.jpg"), in("cat", "a.PNG"), in("cat", "b.png")}, Paths(dir))
	assert.Equal(t, []string{in("cat", "b.png")}, Paths(in("cat", "b.png")))
	put(t, filepath.Join(dir, "cat", "b.png"), 3, 2, color.NRGBA{254, 0, 0, 255})
	again, err := Open(dir)
	require.NoError(t, err)
	assert.NotEqual(t, s.Files, again.Files, "the hash is of every picture")
}

func TestFolderOfNumbersAndOfNoClasses(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"7", "03"} {
		put(t, filepath.Join(dir, "numbers", name, "a.png"), 2, 2, color.Gray{9})
	}
	s, err := Open(filepath.Join(dir, "numbers"))
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 2}, s.Shape())
	assert.Equal(t, []int{3, 7}, []int{s.Label(0), s.Label(1)})
	put(t, filepath.Join(dir, "plain", "a.png"), 2, 2, color.Gray{9})
	s, err = Open(filepath.Join(dir, "plain"))
	require.NoError(t, err)
	assert.Equal(t, -1, s.Label(0))
}

func TestBadFolders(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(in("empty"), 0o755))
	put(t, in("sizes/a.png"), 2, 2, color.Gray{})
	put(t, in("sizes/b.png"), 2, 3, color.Gray{})
	put(t, in("both/a.png"), 2, 2, color.Gray{})
	put(t, in("both/c/a.png"), 2, 2, color.Gray{})
	put(t, in("cut/a.png"), 40, 40, color.Gray{7})
	raw, err := os.ReadFile(in("cut/a.png"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(in("cut/a.png"), raw[:len(raw)/2], 0o644))
	// A JPEG whose frame says another size than its 4x4 pixels.
	var photo bytes.Buffer
	require.NoError(t, jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 4, 4)), nil))
	frame := bytes.Index(photo.Bytes(), []byte{0xff, 0xc0, 0, 11, 8, 0, 4, 0, 4})
	require.Positive(t, frame)
	for name, size := range map[string]uint32{"flat": 4, "thin": 4 << 16, "grown": 8000<<16 | 8000, "huge": 0xffffffff} {
		require.NoError(t, os.Mkdir(in(name), 0o755))
		binary.BigEndian.PutUint32(photo.Bytes()[frame+5:], size)
		require.NoError(t, os.WriteFile(filepath.Join(in(name), "a.jpg"), photo.Bytes(), 0o644))
	}
	for name, want := range map[string]string{
		"flat": "a.jpg: a picture of 4x0 pixels", "thin": "a.jpg: a picture of 0x4 pixels", "grown": "8000x8000 pixels do not come from", "huge": "65535x65535 pixels are too many",
		"empty": "without pictures", "sizes": "b.png has (2,3) pixels", "both": "both in the folder", "cut": "a.png", "none": "no such file",
	} {
		_, err := Open(in(name))
		assert.ErrorContains(t, err, want, name)
	}
}

func TestNPZComesBack(t *testing.T) {
	b := data.Batch{N: 2, Shape: []int{2, 3, 1}, Labels: []int{300, 4}}
	for i := range 12 {
		b.X = append(b.X, float32(i*20)/255)
	}
	content, err := EncodeNPZ(b)
	require.NoError(t, err)
	s, err := Open(folder(t, "x.npz", content))
	require.NoError(t, err)
	got, err := data.Load(s, 0, 2)
	require.NoError(t, err)
	assert.Equal(t, b, got)
}
