package quant

import "slices"

// memo keeps what was rounded last, within a bound of bytes. A nil one keeps nothing.
type memo struct {
	bound, bytes int      // 0 is no bound
	keys         []string // from the one that was asked for longest ago
	of           map[string]*Rounded
}

// get is the layer of a key, or nil.
func (m *memo) get(key string) *Rounded {
	if m == nil || m.of[key] == nil {
		return nil
	}
	i := slices.Index(m.keys, key)
	m.keys = append(slices.Delete(m.keys, i, i+1), key)
	return m.of[key]
}

func (m *memo) put(key string, r *Rounded) {
	if m == nil {
		return
	}
	if m.of == nil {
		m.of = map[string]*Rounded{}
	}
	m.of[key], m.keys = r, append(m.keys, key)
	for m.bytes += r.bytes(); m.bound > 0 && m.bytes > m.bound && len(m.keys) > 0; m.keys = m.keys[1:] {
		m.bytes -= m.of[m.keys[0]].bytes()
		delete(m.of, m.keys[0])
	}
}

// bytes are those of a rounded layer.
func (r *Rounded) bytes() int {
	return len(r.Codes) + 8*len(r.Scale) + 8*len(r.Bias) + len(r.Book) + 4*len(r.Weights)
}
