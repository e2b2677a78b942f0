package usbhid

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// A Profile is what was learned of one UPS by trying it with a lamp as its load.
// It overrides what is known of its kind. The zero value is nothing learned.
type Profile struct {
	// Device is what it was learned of, as [Info] prints it; for people.
	Device string `json:"device"`
	// DelayStep is what the device rounds its countdown to; 0 is by its
	// descriptor.
	DelayStep time.Duration `json:"delay_step_ns"`
	// StartCount is the start delay, in the device's own count, with which
	// its outlets come back with mains and not before; nil is 0.
	StartCount *int64 `json:"start_count,omitempty"`
	// CutsOnMains is whether an armed countdown ends in a cut when mains is
	// there. It belongs into cuts_on_mains of the configuration.
	CutsOnMains bool `json:"cuts_on_mains"`
	// ReturnsWithoutMains is whether its outlets came on again while mains
	// was still away: nodes would start on the last of the battery.
	ReturnsWithoutMains bool `json:"returns_without_mains"`
	// ReturnsAlone is whether the outlets came back by themselves once
	// mains was back, and Return how long after it.
	ReturnsAlone bool          `json:"returns_alone"`
	Return       time.Duration `json:"return_ns"`
	// Reenumeration is how long the device was gone from the bus around a
	// change of mains; 0 if it stayed.
	Reenumeration time.Duration `json:"reenumeration_ns"`
	// Interrupts is whether it told a change of mains by itself.
	Interrupts bool `json:"interrupts"`
}

func (p Profile) startCount() int64 {
	if p.StartCount == nil {
		return 0
	}
	return *p.StartCount
}

// LoadProfile reads a profile. Unknown keys are errors.
func LoadProfile(path string) (Profile, error) {
	var p Profile
	data, err := os.ReadFile(path)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err = d.Decode(&p); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	if err == nil && (p.DelayStep < 0 || p.DelayStep > time.Hour) {
		err = fmt.Errorf("%s: delay_step_ns: want 0s to 1h (got %v)", path, p.DelayStep)
	}
	if err != nil {
		return Profile{}, fmt.Errorf("profile: %w; write it with: lastwatt ups learn", err)
	}
	return p, nil
}

// Save writes the profile to a file that does not exist yet, or replaces it.
func (p Profile) Save(path string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	return nil
}
