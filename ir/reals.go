package ir

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// WriteReals writes the values of every constant as little-endian float32, in the
// order of the module; named writes each one's name and type before it. It is what
// hashes of a network are taken of.
func (m *Module) WriteReals(w io.Writer, named bool) error {
	for _, c := range m.Consts {
		x, err := c.Float32()
		if err != nil {
			return err
		}
		if named {
			fmt.Fprintln(w, c.Name, c.Type)
		}
		if err := binary.Write(w, binary.LittleEndian, x); err != nil {
			return err
		}
	}
	return nil
}

// Fingerprint is the sha256 of the module's text and its constants, in hex.
func (m *Module) Fingerprint() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, m)
	if err := m.WriteReals(h, true); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
