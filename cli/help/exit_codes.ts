/** `krew-wasm help exit-codes` */
export const EXIT_CODES = `EXIT CODES

Commands of krew-wasm:

  0     done
  1     the command failed; search found nothing; doctor found an error;
        sync --check found a difference
  2     wrong usage: an unknown option, a malformed reference, name or grant
  130   interrupted at a question

kubectl NAME and krew-wasm run return the plugin's own exit code, or:

  125   krew-wasm could not run the plugin
  134   the plugin crashed: a trap, a full call stack, or a memory limit
  141   the plugin wrote into a closed pipe
`;
