/** Calldata of "name(types)" with these values. */
export function encodeCall(signature: string, values: unknown[]): string;
/** Values as the parameters "types", 0x hex. */
export function encode(types: string, values: unknown[]): string;
/** The values of the parameters "types". Integers are bigint, bytes and addresses 0x hex. */
export function decode(types: string, data: string): any[];
/** Calls a function at the pinned block: read(1, token, "balanceOf(address)(uint256)", [owner]). */
export function read(chainId: number | string, to: string, fn: string, values?: unknown[]): Promise<any[]>;
