// Comes with Open Agent and runs in the OpenCode server that it starts.
//
// Commands of the agent get the environment that commands of Open Agent get everywhere: nothing of
// the server's, its password above all, and the account's own HOME. OPEN_AGENT_SESSION says whose
// they are, so that what they leave running can be found and ended.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL("./", import.meta.url))
const commands = JSON.parse(readFileSync(`${here}commands.json`, "utf8"))

// OPENCODE_DISABLE_PROJECT_CONFIG keeps a project's plugins from being used, and not from being
// imported: 1.18.33 runs `.opencode/plugin/*.ts`, and what `plugin` in a project's opencode.json
// names, once somebody works there. Only what lies beside this file is code that we know.
Bun.plugin({
  name: "open-agent",
  setup(build) {
    build.onLoad({ filter: /.*/ }, (file) => {
      if (file.path.startsWith(here)) return undefined
      return { contents: "export default {}", loader: "js" }
    })
  },
})

// OpenCode has read it. Whatever it starts from here on, MCP servers too, does not get it.
delete process.env.OPENCODE_SERVER_PASSWORD

let isHidden = false
if (process.platform === "linux") {
  try {
    // PR_SET_DUMPABLE: other programs of this account cannot read our memory or environment.
    const { dlopen, FFIType } = await import("bun:ffi")
    const args = [FFIType.i32, FFIType.u64, FFIType.u64, FFIType.u64, FFIType.u64]
    const libc = dlopen("libc.so.6", { prctl: { args, returns: FFIType.i32 } })
    isHidden = libc.symbols.prctl(4, 0, 0, 0, 0) === 0
  } catch {
    // Another C library. Commands do not inherit the password all the same.
  }
}

const shellEnvironment = (sessionId) => {
  const given = { ...commands }
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("OPENCODE_")) given[name] = null
  }
  // `undefined` takes a variable away.
  for (const name of Object.keys(given)) given[name] ??= undefined
  return sessionId ? { ...given, OPEN_AGENT_SESSION: sessionId } : given
}

export const OpenAgent = async () => {
  writeFileSync(`${here}loaded-${process.pid}`, JSON.stringify({ isHidden }))
  return {
    "shell.env": async (input, output) => {
      Object.assign(output.env, shellEnvironment(input.sessionID))
    },
  }
}
