/* A Modbus server of libmodbus. Arguments: tcp|rtu, port number or path, and a
 * file with a line "TABLE ADDRESS VALUE" for each register of unit 1. */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REGISTERS = 5000 };

static void fill(modbus_mapping_t *map, const char *path)
{
	char table[16];
	int address, value;
	FILE *in = fopen(path, "r");
	if (!in) {
		perror(path);
		exit(1);
	}
	while (fscanf(in, "%15s %d %d", table, &address, &value) == 3) {
		if (address < 0 || address >= REGISTERS)
			continue;
		if (!strcmp(table, "coil"))
			map->tab_bits[address] = value;
		else if (!strcmp(table, "discrete"))
			map->tab_input_bits[address] = value;
		else if (!strcmp(table, "holding"))
			map->tab_registers[address] = value;
		else
			map->tab_input_registers[address] = value;
	}
	fclose(in);
}

static void answer(modbus_t *ctx, modbus_mapping_t *map)
{
	uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
	for (;;) {
		int n = modbus_receive(ctx, query);
		if (n > 0)
			modbus_reply(ctx, query, n, map);
		else if (n < 0 && (errno == ECONNRESET || errno == EBADF || errno == EPIPE))
			return;
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	modbus_mapping_t *map = modbus_mapping_new(REGISTERS, REGISTERS, REGISTERS, REGISTERS);
	fill(map, argv[3]);
	if (!strcmp(argv[1], "rtu")) {
		modbus_t *ctx = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
		modbus_set_slave(ctx, 1);
		if (modbus_connect(ctx) < 0) {
			fprintf(stderr, "%s\n", modbus_strerror(errno));
			return 1;
		}
		for (;;)
			answer(ctx, map);
	}
	modbus_t *ctx = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
	int listening = modbus_tcp_listen(ctx, 4);
	if (listening < 0) {
		fprintf(stderr, "%s\n", modbus_strerror(errno));
		return 1;
	}
	for (;;) {
		if (modbus_tcp_accept(ctx, &listening) < 0)
			return 1;
		answer(ctx, map);
		modbus_close(ctx);
	}
}
