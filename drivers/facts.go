package drivers

// A Fact is one thing known of a device. An absent (nil) field of a fact means
// that the device does not say; zero is a value like any other.
type Fact interface{ fact() }

func (UPS) fact()     {}
func (Fan) fact()     {}
func (Rail) fact()    {}
func (Meter) fact()   {}
func (Witness) fact() {}
func (Output) fact()  {}
func (Node) fact()    {}
func (Silent) fact()  {}

// A Fan is one fan of a node or of the rack.
type Fan struct {
	Name string `json:"name"`
	// RPM is revolutions per minute; 0 is a fan that stands still.
	RPM   *float64 `json:"rpm,omitempty"`
	State FanState `json:"state,omitempty"`
	// Duty is what the fan is driven with, 0 to 100; nil where nothing here
	// knows it.
	Duty *Percent `json:"duty,omitempty"`
	// Rejected counts edges of the tachometer that came too soon to be the
	// fan's, and Lost those that the kernel saw and nobody here did, since
	// the driver was started.
	Rejected uint64 `json:"rejected,omitempty"`
	Lost     uint64 `json:"lost,omitempty"`
}

// A FanState is what a fan does. Empty is not said.
type FanState string

// What a fan can do. A fan that is meant to stand still is off, not stalled.
const (
	FanRunning FanState = "running"
	FanStalled FanState = "stalled"
	FanOff     FanState = "off"
	FanUnknown FanState = "unknown" // just started, or its signal cannot be read
)

// A Rail is one supply voltage of a node or of the rack.
type Rail struct {
	Name  string  `json:"name"`
	Volts *Volt   `json:"volts,omitempty"`
	Amps  *Ampere `json:"amps,omitempty"`
	Watts *Watt   `json:"watts,omitempty"`
	// Good is the power-good or "present" signal.
	Good *bool `json:"good,omitempty"`
	// Level is the driver's judgement by the configured limits.
	Level Level `json:"level,omitempty"`
}

// A Level is how well something is. Empty is not judged.
type Level string

// How well something can be.
const (
	OK       Level = "ok"
	Warning  Level = "warning"
	Critical Level = "critical"
)

// A Meter measures a load.
type Meter struct {
	Name        string      `json:"name"`
	Watts       *Watt       `json:"watts,omitempty"`
	Volts       *Volt       `json:"volts,omitempty"`
	Amps        *Ampere     `json:"amps,omitempty"`
	Apparent    *VoltAmpere `json:"apparent,omitempty"`
	PowerFactor *float64    `json:"power_factor,omitempty"`
	Frequency   *Hertz      `json:"frequency,omitempty"`
	Energy      *WattHour   `json:"energy_wh,omitempty"` // counted by the meter itself
	// Method says how Watts is known ("measured AC", "measured DC"), never
	// empty where Watts is not nil.
	Method string `json:"method,omitempty"`
}

// A Witness looks at mains beside the UPS, such as an optocoupler on a pin. By
// itself it is no evidence of an outage.
type Witness struct {
	Name  string `json:"name"`
	Mains *bool  `json:"mains,omitempty"`
}

// An Output is a relay or a pin that a [Switcher] drives, by its configured name.
type Output struct {
	Name string `json:"name"`
	// On is what was read back from it; of a line that is let go, whose level is
	// others' to make, it is that.
	On *bool `json:"on,omitempty"`
	// Fault says that it is otherwise than it was set, in words for people.
	// Empty is that it is not.
	Fault string `json:"fault,omitempty"`
}

// A Silent is a sensor that does not answer, or does again. No driver reports it: who
// runs the drivers of a node does.
type Silent struct {
	// Name is the sensor's, as configured.
	Name string `json:"name"`
	// Why is why it does not answer. Empty is that it does again.
	Why string `json:"why,omitempty"`
}

// ByTable is the method of a draw that nothing measured: it is the model's.
const ByTable = "table by model"

// A Node is what a node's own sensors say of it.
type Node struct {
	Model       string   `json:"model,omitempty"`
	Temperature *Celsius `json:"temperature,omitempty"`
	// Draw is the node's draw; Method says how it is known ([ByTable],
	// "PMIC estimate", "measured DC"), never empty where Draw is not nil.
	Draw   *Watt  `json:"draw,omitempty"`
	Method string `json:"method,omitempty"`
	// UnderVoltage is the firmware's flag of a supply that is too low now.
	UnderVoltage *bool `json:"under_voltage,omitempty"`
	// Throttled are the firmware's flags that are set now: "under-voltage",
	// "frequency capped", "throttled", "soft temperature limit"; nil where it
	// does not say, empty where none is.
	Throttled []string `json:"throttled,omitempty"`
	// Counts are how often each of Throttled was seen to begin, since the
	// agent started.
	Counts map[string]uint64 `json:"counts,omitempty"`
	// Reset is why the board started last, in the firmware's words.
	Reset string `json:"reset,omitempty"`
	// Drives are the node's drives that say something.
	Drives []Drive `json:"drives,omitempty"`
	// Start says whether the board starts again by itself.
	Start *Start `json:"start,omitempty"`
}

// A Drive is one drive of a node.
type Drive struct {
	Name        string   `json:"name"`
	Temperature *Celsius `json:"temperature,omitempty"`
	// Wear is the part of its rated life that is used; over 100 it is past it.
	Wear *Percent `json:"wear,omitempty"`
	// Failing are the drive's own critical warnings, in words for people.
	Failing []string `json:"failing,omitempty"`
}

// Start are the settings of a Raspberry Pi's EEPROM that decide whether it starts
// again, and whether it has a clock that can wake it.
type Start struct {
	PowerOffOnHalt     *bool `json:"power_off_on_halt,omitempty"`
	WakeOnGPIO         *bool `json:"wake_on_gpio,omitempty"`
	WaitForPowerButton *bool `json:"wait_for_power_button,omitempty"`
	Clock              *bool `json:"clock,omitempty"`
}
