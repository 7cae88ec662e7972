// Gets a URL with Node's fetch: URL [RANGE].
const [url, range] = process.argv.slice(2);
const response = await fetch(url, { headers: range ? { Range: range } : {} });
process.stdout.write(new Uint8Array(await response.arrayBuffer()));
