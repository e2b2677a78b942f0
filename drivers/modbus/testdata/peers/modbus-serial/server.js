// A Modbus server of modbus-serial. Arguments: tcp|rtu, port number or path, and a
// file with a line "TABLE ADDRESS VALUE" for each register of unit 1.
const fs = require('fs')
const { ServerTCP, ServerSerial } = require('modbus-serial')

const [how, where, registers] = process.argv.slice(2)
const tables = { coil: new Map(), discrete: new Map(), holding: new Map(), input: new Map() }
for (const line of fs.readFileSync(registers, 'ascii').trim().split('\n')) {
  const [table, address, value] = line.split(' ')
  tables[table].set(Number(address), Number(value))
}
const get = (table) => (address) => {
  if (!tables[table].has(address)) throw { modbusErrorCode: 2 }
  return tables[table].get(address)
}
const vector = {
  getCoil: get('coil'),
  getDiscreteInput: get('discrete'),
  getHoldingRegister: get('holding'),
  getInputRegister: get('input'),
  setCoil: (address, value) => tables.coil.set(address, value ? 1 : 0),
  setRegister: (address, value) => tables.holding.set(address, value)
}
if (how === 'rtu') {
  const server = new ServerSerial(vector, { port: where, baudRate: 115200, unitID: 1 })
  server.on('initialized', () => console.log('ready'))
  server.on('error', (err) => { console.error(err); process.exit(1) })
} else {
  const server = new ServerTCP(vector, { host: '127.0.0.1', port: Number(where), unitID: 1 })
  server.on('initialized', () => console.log('ready'))
  server.on('serverError', (err) => { console.error(err); process.exit(1) })
}
