package dataset

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
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
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bee"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ape", "notes.txt"), []byte("no picture"), 0o644))
	s, err := Load(dir, Want{})
	require.NoError(t, err)
	assert.Equal(t, 3, s.N)
	assert.Equal(t, []int{3, 2, 3}, s.Shape, "gray pictures among coloured ones have three planes")
	assert.Equal(t, []int{0, 2, 2}, s.Labels, "by name, one of each class in turn; one without pictures counts")
	assert.Equal(t, []float32{0, 0, 1}, []float32{s.Image(1)[0], s.Image(1)[6], s.Image(1)[12]}, "a.PNG comes before b.png")
	assert.Contains(t, s.Said, "images = pictures uint8 [3,3,2,3], gray ones as three equal planes, 0..255 span [0,1]; labels = folders: ape 0, bee 1, cat 2; without files: bee")
	require.Len(t, s.Files, 1)
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	assert.ElementsMatch(t, []string{dir, in("ape"), in("bee"), in("cat"), in("ape", "x.jpg"), in("cat", "a.PNG"), in("cat", "b.png")}, Paths(dir))
	assert.Equal(t, []string{in("cat", "b.png")}, Paths(in("cat", "b.png")))
	for _, shape := range [][]int{{3, 2, 3}, {2, 3, 3}} {
		d, err := Load(dir, network(shape, []int{3}))
		require.NoError(t, err)
		assert.Equal(t, shape, d.Shape)
	}
	few, err := Load(dir, Want{N: 2})
	require.NoError(t, err)
	assert.Equal(t, s.Batch.Pick(data.Draw(3, 2, 0)), few.Batch)
	assert.Equal(t, s.Files, few.Files, "the hash is of every picture")
	put(t, filepath.Join(dir, "cat", "b.png"), 3, 2, color.NRGBA{254, 0, 0, 255})
	again, err := Load(dir, Want{})
	require.NoError(t, err)
	assert.NotEqual(t, s.Files, again.Files)
}

// TestDeeperFiles: a picture in a folder within the folder of a class is left out, and the line
// says so; where there is no other, the error names one.
func TestDeeperFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, name := range []string{"classes/0/a.png", "classes/0/sub/b.png", "classes/0/sub/more/c.png", "classes/1/a.png", "classes/1/.hidden/d.png", "classes/2/sub/e.png",
		"plain/a.png", "plain/b/c/d.png", "deep/train/cat/a.png",
		"pairs/images/a.png", "pairs/masks/a.png", "pairs/images/sub/b.png"} {
		put(t, in(name), 2, 2, color.Gray{0})
	}
	put(t, in("pairs/masks/a.png"), 2, 2, color.Gray{1})
	for name, want := range map[string]string{
		"classes": "labels = folders: 0, 1, 2; without files: 2; left out: 0/sub/b.png, 0/sub/more/c.png, 2/sub/e.png (3 files in folders below those of the classes)",
		"plain":   "no labels; left out: b/c/d.png (1 file in folders below those of the classes)",
		"pairs":   "left out: images/sub/b.png (1 file in folders below those of the classes)",
	} {
		d, err := Load(in(name), Want{})
		require.NoError(t, err, name)
		assert.Contains(t, d.Said, want, name)
	}
	d, err := Load(in("classes", "0"), Want{})
	assert.ErrorContains(t, err, "lie both in the folder and in folders of classes", "%v", d.Said)
	_, err = Load(in("deep"), Want{})
	assert.ErrorContains(t, err, "a folder without pictures or recordings in it or in folders of classes in it; train/cat/a.png lies deeper")
}

func TestFolderOfNumbersAndOfNoClasses(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"7", "03"} {
		put(t, filepath.Join(dir, "numbers", name, "a.png"), 2, 2, color.Gray{9})
	}
	s, err := Load(filepath.Join(dir, "numbers"), Want{})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 2}, s.Shape)
	assert.Equal(t, []int{3, 7}, s.Labels)
	assert.Contains(t, s.Said, "labels = folders: 03 3, 7")
	put(t, filepath.Join(dir, "plain", "a.png"), 2, 2, color.Gray{9})
	s, err = Load(filepath.Join(dir, "plain"), Want{})
	require.NoError(t, err)
	assert.Nil(t, s.Labels)
	assert.Contains(t, s.Said, "no labels")
}

// TestResize: only -resize scales, and says so.
func TestResize(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	put(t, in("one/a.png"), 4, 4, color.Gray{9})
	w := network([]int{1, 2, 2}, []int{2})
	_, err := Load(in("one"), w)
	assert.ErrorContains(t, err, "a.png has 4x4 pixels, the network takes 2x2 as image")
	assert.ErrorContains(t, err, "-resize scales them by area, without regard to their proportions")
	w.Resize = true
	d, err := Load(in("one"), w)
	require.NoError(t, err)
	assert.Equal(t, []float32{9. / 255, 9. / 255, 9. / 255, 9. / 255}, d.X)
	assert.Contains(t, d.Said, "scaled from 4x4 to 2x2 by area (-resize)")
	put(t, in("one/b.png"), 2, 6, color.Gray{9})
	put(t, in("one/c.png"), 2, 2, color.Gray{9})
	d, err = Load(in("one"), w)
	require.NoError(t, err)
	assert.Contains(t, d.Said, "scaled from 2 sizes to 2x2 by area (-resize)")
	put(t, in("same/c.png"), 2, 2, color.Gray{9})
	d, err = Load(in("same"), w)
	require.NoError(t, err)
	assert.NotContains(t, d.Said, "scaled")

	assert.Equal(t, [][]byte{{2, 7}}, resized([][]byte{{0, 4, 6, 8}}, 4, 1, 2, 1))
	assert.Equal(t, [][]byte{{2, 6}, {1, 2}}, resized([][]byte{{0, 6, 6}, {0, 2, 2}}, 3, 1, 2, 1), "two thirds of a pixel and a third of the next")
	assert.Equal(t, [][]byte{{1, 1, 2, 3, 3}}, resized([][]byte{{1, 3}}, 2, 1, 5, 1), "the third lies half on each")
	assert.Equal(t, [][]byte{{3}}, resized([][]byte{{1, 2, 3, 4}}, 2, 2, 1, 1), "2.5 is rounded up")
}

// TestMasks: pictures and masks of one name; the numbers of classes are those of the file.
func TestMasks(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	save := func(name string, img image.Image) {
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, img))
		require.NoError(t, os.MkdirAll(filepath.Dir(in(name)), 0o755))
		require.NoError(t, os.WriteFile(in(name), b.Bytes(), 0o644))
	}
	palette := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.Black, color.White, color.NRGBA{9, 9, 9, 255}})
	palette.Pix = []uint8{2, 1}
	put(t, in("set/images/b.png"), 2, 1, color.Gray{255})
	put(t, in("set/images/a.jpg"), 2, 1, color.Gray{255})
	save("set/masks/b.png", palette)
	save("set/masks/a.png", &image.Gray{Pix: []uint8{0, 2}, Stride: 2, Rect: image.Rect(0, 0, 2, 1)})
	w := network([]int{1, 1, 2}, []int{3, 1, 2})
	d, err := Load(in("set"), w)
	require.NoError(t, err)
	assert.Equal(t, []data.Target{{Shape: []int{1, 2}, X: []float32{0, 2, 2, 1}}}, d.Targets)
	assert.Nil(t, d.Labels)
	assert.Contains(t, d.Said, "labels = masks [1,2] of the classes 0, 1, 2")
	before := d.Files
	save("set/masks/a.png", &image.Gray16{Pix: []uint8{0, 1, 1, 0}, Stride: 4, Rect: image.Rect(0, 0, 2, 1)})
	d, err = Load(in("set"), w)
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 256, 2, 1}, d.Targets[0].X)
	assert.NotEqual(t, before, d.Files, "the hash is of the masks, too")
	w.Options.Labels = []string{None}
	d, err = Load(in("set"), w)
	require.NoError(t, err)
	assert.Nil(t, d.Targets)

	// A PNG of one bit has the classes 0 and 1, although decoders make 255 of 1.
	bit := []byte("\x89PNG\r\n\x1a\n" +
		"\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x01\x01\x00\x00\x00\x00")
	bit = binary.BigEndian.AppendUint32(bit, crc32.ChecksumIEEE(bit[12:]))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, err = z.Write([]byte{0, 0b01000000})
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for _, part := range [][]byte{append([]byte("IDAT"), packed.Bytes()...), []byte("IEND")} {
		bit = binary.BigEndian.AppendUint32(bit, uint32(len(part)-4))
		bit = binary.BigEndian.AppendUint32(append(bit, part...), crc32.ChecksumIEEE(part))
	}
	img, err := Picture(bit)
	require.NoError(t, err)
	classes, width, height, err := mask(img, bit)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1}, classes)
	assert.Equal(t, []int{2, 1}, []int{width, height})

	// Half the size of the result, and a mask of the size of its picture.
	save("scaled/images/a.png", image.NewGray(image.Rect(0, 0, 4, 2)))
	save("scaled/masks/a.png", &image.Gray{Pix: []uint8{1, 2, 3, 4, 5, 6, 7, 8}, Stride: 4, Rect: image.Rect(0, 0, 4, 2)})
	w = network([]int{1, 2, 4}, []int{9, 1, 2})
	_, err = Load(in("scaled"), w)
	assert.ErrorContains(t, err, "masks/a.png has 4x2 pixels, the network's result 2x1")
	w.Resize = true
	d, err = Load(in("scaled"), w)
	require.NoError(t, err)
	assert.Equal(t, []float32{6, 8}, d.Targets[0].X)
	w.Results[0].Shape = []int{1, 2, 9} // classes last
	d, err = Load(in("scaled"), w)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2}, d.Targets[0].Shape)

	save("coloured/images/a.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	put(t, in("coloured/masks/a.png"), 2, 1, color.NRGBA{1, 2, 3, 255})
	save("jpeg/images/a.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	put(t, in("jpeg/masks/a.jpg"), 2, 1, color.Gray{1})
	save("without/images/a.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	save("without/masks/b.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	save("alone/images/a.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	save("alone/masks/a.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	save("alone/masks/b.png", image.NewGray(image.Rect(0, 0, 2, 1)))
	for name, want := range map[string]string{
		"coloured": "masks/a.png: a mask in colours", "jpeg": "masks/a.jpg: a mask is a PNG", "without": "images/a.png has no mask", "alone": "masks/b.png has no picture",
	} {
		_, err := Load(in(name), network([]int{1, 1, 2}, []int{3, 1, 2}))
		assert.ErrorContains(t, err, want, name)
	}
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
	require.NoError(t, os.MkdirAll(in("mixed/x"), 0o755))
	put(t, in("mixed/x/a.png"), 2, 2, color.Gray{})
	require.NoError(t, os.WriteFile(in("mixed/x/b.wav"), []byte("RIFF"), 0o644))
	for name, want := range map[string]string{
		"flat": "a.jpg: a picture of 4x0 pixels", "thin": "a.jpg: a picture of 0x4 pixels", "grown": "8000x8000 pixels do not come from", "huge": "65535x65535 pixels are too many",
		"empty": "without pictures or recordings", "sizes": "b.png has 2x3 pixels, the first one 2x2", "both": "both in the folder", "cut": "a.png", "none": "no such file",
		"mixed": "pictures and recordings in one folder: x/a.png and x/b.wav",
	} {
		_, err := Load(in(name), Want{})
		assert.ErrorContains(t, err, want, name)
	}
	put(t, in("coloured/a.png"), 2, 2, color.NRGBA{1, 2, 3, 255})
	put(t, in("clear/a.png"), 2, 2, color.NRGBA{1, 2, 3, 100})
	_, err = Load(in("coloured"), network([]int{1, 2, 2}, []int{2}))
	assert.ErrorContains(t, err, "a.png is in colour, the network takes one plane as image")
	_, err = Load(in("coloured"), network([]int{5, 2, 2}, []int{2}))
	assert.ErrorContains(t, err, "pictures have one plane or three, the network takes [5,2,2] as image")
	d, err := Load(in("clear"), network([]int{3, 2, 2}, []int{2}))
	require.NoError(t, err)
	assert.Contains(t, d.Said, "alpha is left out")
	two := network([]int{1, 2, 2}, []int{2})
	two.Inputs = append(two.Inputs, two.Inputs[0])
	_, err = Load(in("coloured"), two)
	assert.ErrorContains(t, err, "data of 2 inputs come as an npz")
}

func TestNPZComesBack(t *testing.T) {
	b := data.Batch{N: 2, Shape: []int{2, 3, 1}, Labels: []int{300, 4}}
	for i := range 12 {
		b.X = append(b.X, float32(i*20)/255)
	}
	content, err := EncodeNPZ(b)
	require.NoError(t, err)
	got, err := Load(folder(t, "x.npz", content), Want{})
	require.NoError(t, err)
	b.Levels, b.Targets = true, []data.Target{{From: "labels", Shape: []int{}, X: []float32{300, 4}}}
	assert.Equal(t, b, got.Batch)
}

func FuzzPicture(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"a.png", "a.jpg"} {
		put(f, filepath.Join(dir, name), 2, 1, color.Gray{7})
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if img, err := Picture(b); err == nil {
			_, _, _, _ = mask(img, b)
		}
		checked(t, "pictures/a.png", b)
	})
}
