// Package store keeps what must survive a power cut, in one bbolt file.
package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"lastwatt/rack"
)

// A Store is an open file. Its methods may be called from any goroutine. Each
// write is on disk when it returns: bbolt syncs every transaction, and a write
// that power cut short is as if it had never begun.
type Store struct {
	db *bbolt.DB
	// SetAside is where a damaged file was put aside when the store was opened;
	// empty if it was sound.
	SetAside string
}

var (
	bucketState  = []byte("state")  // "controller", "tokens"
	bucketEvents = []byte("events") // a sequence number, big-endian: one rack.Event
)

// keepEvents is how many events are kept: some hundred outages.
const keepEvents = 5000

// Open opens the file at path, or makes it. A file that is damaged is put aside
// under another name and said so, since a daemon that refuses to start protects
// nothing. It waits 10 s at most for another process that has it open.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s := &Store{}
	db, err := open(path)
	if err != nil && damaged(path, err) {
		s.SetAside = fmt.Sprintf("%s.damaged-%d", path, time.Now().Unix())
		if err := os.Rename(path, s.SetAside); err != nil {
			return nil, fmt.Errorf("put the damaged store aside: %w", err)
		}
		db, err = open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store %q: %w", path, err)
	}
	s.db = db
	return s, nil
}

// damaged is whether the file is there and readable but no sound store.
func damaged(path string, err error) bool {
	switch err {
	case bbolterrors.ErrInvalid, bbolterrors.ErrChecksum, bbolterrors.ErrVersionMismatch:
		return true
	}
	info, statErr := os.Stat(path)
	return statErr == nil && info.Mode().IsRegular() && err.Error() == "file size too small"
}

func open(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{bucketState, bucketEvents} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Save writes v as JSON under name, over what was there.
func (s *Store) Save(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketState).Put([]byte(name), data) })
	if err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	return nil
}

// Load reads what was saved under name into v, and says whether there was
// anything.
func (s *Store) Load(name string, v any) (bool, error) {
	var data []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		data = append(data, tx.Bucket(bucketState).Get([]byte(name))...)
		return nil
	})
	if err != nil || data == nil {
		return false, err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("load %q: %w", name, err)
	}
	return true, nil
}

// Append adds events to the story and drops the oldest beyond what is kept.
func (s *Store) Append(events ...rack.Event) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketEvents)
		for _, e := range events {
			data, err := json.Marshal(e)
			if err != nil {
				return err
			}
			n, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := b.Put(binary.BigEndian.AppendUint64(nil, n), data); err != nil {
				return err
			}
			if n > keepEvents {
				if err := b.Delete(binary.BigEndian.AppendUint64(nil, n-keepEvents)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append to the story: %w", err)
	}
	return nil
}

// Events returns the newest n events, oldest first.
func (s *Store) Events(n int) ([]rack.Event, error) {
	var events []rack.Event
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketEvents).Cursor()
		for k, v := c.Last(); k != nil && len(events) < n; k, v = c.Prev() {
			var e rack.Event
			if err := json.Unmarshal(v, &e); err != nil {
				return err
			}
			events = append([]rack.Event{e}, events...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the story: %w", err)
	}
	return events, nil
}
