"""A Modbus server of pymodbus. Arguments: tcp|rtu+tcp|rtu, port number or path,
and a file with a line "TABLE ADDRESS VALUE" for each register of unit 1."""
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.framer.rtu_framer import ModbusRtuFramer
from pymodbus.framer.socket_framer import ModbusSocketFramer
from pymodbus.server import StartSerialServer, StartTcpServer

how, where, registers = sys.argv[1:]
tables = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
with open(registers, encoding="ascii") as lines:
    for line in lines:
        table, address, value = line.split()
        tables[table][int(address)] = int(value)
block = {name: ModbusSparseDataBlock(values or {0: 0}) for name, values in tables.items()}
unit = ModbusSlaveContext(co=block["coil"], di=block["discrete"], hr=block["holding"], ir=block["input"], zero_mode=True)
context = ModbusServerContext(slaves={1: unit}, single=False)
if how == "rtu":
    StartSerialServer(context=context, framer=ModbusRtuFramer, port=where, baudrate=115200, timeout=0.005)
else:
    framer = ModbusSocketFramer if how == "tcp" else ModbusRtuFramer
    StartTcpServer(context=context, framer=framer, address=("127.0.0.1", int(where)), allow_reuse_address=True)
