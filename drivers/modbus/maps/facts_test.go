package maps

import (
	"fmt"
	"strings"
	"testing"

	"lastwatt/drivers"
)

func TestAUPSIsOnBatteryByTheEvidenceThatItsMapHas(t *testing.T) {
	for _, c := range []struct {
		says string // fields, as flags; input.voltage in volts
		want string
	}{
		{"", "unknown"},
		{"on_battery", "true"}, {"!on_battery", "false"},
		{"on_battery !on_mains", "true"}, {"!on_battery on_mains", "false"}, {"on_battery on_mains", "unknown"}, {"!on_battery !on_mains", "unknown"},
		{"on_battery test input=230", "false"}, {"on_battery test input=0", "true"}, {"on_battery test", "unknown"}, {"on_battery calibrating input=230", "false"},
		{"discharging input=0", "true"}, {"discharging input=230", "false"}, {"!discharging input=0", "false"}, {"discharging", "unknown"},
		{"discharging bad", "true"}, {"discharging !bad", "false"},

		// A map that has on_mains, and not on_battery.
		{"on_mains", "false"}, {"!on_mains", "unknown"},
		{"on_mains discharging input=0", "false"},
		{"!on_mains discharging input=0", "true"}, {"!on_mains discharging input=270", "true"}, {"!on_mains discharging", "true"},
		{"!on_mains !discharging input=0", "unknown"},
		{"!on_mains discharging test input=230", "false"}, {"!on_mains discharging test", "unknown"},
	} {
		vs := Values{}
		for word := range strings.FieldsSeq(c.says) {
			word, no := strings.CutPrefix(word, "!")
			flag := 1.0
			if no {
				flag = 0
			}
			var volts float64
			switch n, _ := fmt.Sscanf(word, "input=%f", &volts); {
			case n == 1:
				vs["input.voltage"] = Value{Number: volts}
			case word == "test":
				vs["test_in_progress"] = Value{Number: flag}
			case word == "bad":
				vs["input_bad"] = Value{Number: flag}
			default:
				vs[word] = Value{Number: flag}
			}
		}
		u := Map{Device: UPS}.Fact("it", vs, nil, Limits{}).(drivers.UPS)
		got := "unknown"
		if u.OnBattery != nil {
			got = fmt.Sprint(*u.OnBattery)
		}
		if got != c.want {
			t.Errorf("%q: on battery is %s, want %s", c.says, got, c.want)
		}
	}
}
