package drivers

import "fmt"

// Volt is an electric potential in volts.
type Volt float64

func (v Volt) String() string { return fmt.Sprintf("%.1f V", float64(v)) }

// Ampere is a current in amperes.
type Ampere float64

func (a Ampere) String() string { return fmt.Sprintf("%.2f A", float64(a)) }

// Watt is a real power in watts.
type Watt float64

func (w Watt) String() string { return fmt.Sprintf("%.0f W", float64(w)) }

// WattHour is an energy in watt-hours.
type WattHour float64

func (w WattHour) String() string { return fmt.Sprintf("%.0f Wh", float64(w)) }

// VoltAmpere is an apparent power in volt-amperes.
type VoltAmpere float64

func (v VoltAmpere) String() string { return fmt.Sprintf("%.0f VA", float64(v)) }

// Hertz is a frequency in hertz.
type Hertz float64

func (h Hertz) String() string { return fmt.Sprintf("%.1f Hz", float64(h)) }

// Celsius is a temperature in degrees Celsius.
type Celsius float64

func (c Celsius) String() string { return fmt.Sprintf("%.1f °C", float64(c)) }

// Percent is a part of a whole, 0 to 100.
type Percent float64

func (p Percent) String() string { return fmt.Sprintf("%.0f %%", float64(p)) }
