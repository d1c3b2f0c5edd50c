/* kubectl hello: greets, prints its environment, or exits with a given code. WASI preview1, C. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static const char usage[] =
    "Greets, and shows what a plugin gets.\n"
    "\n"
    "Usage:\n"
    "  kubectl hello [NAME...]\n"
    "\n"
    "Options:\n"
    "  -            greet each line of stdin\n"
    "  --env        print the environment\n"
    "  --exit CODE  end with this exit code\n"
    "  -h, --help   this text\n";

static int misuse(const char *argument) {
  fprintf(stderr, "error: unknown argument \"%s\"\n\n%s", argument, usage);
  return 2;
}

int main(int argc, char **argv) {
  int code = 0, greeted = 0;
  for (int i = 1; i < argc; i++) {
    const char *argument = argv[i];
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
      fputs(usage, stdout);
      return 0;
    }
    if (strcmp(argument, "--env") == 0) {
      for (char **variable = environ; *variable; variable++) puts(*variable);
      greeted = 1;
    } else if (strcmp(argument, "--exit") == 0) {
      char *end = NULL;
      const char *number = i + 1 < argc ? argv[++i] : "";
      long value = strtol(number, &end, 10);
      if (*number == '\0' || *end != '\0' || value < 0 || value > 255) {
        fprintf(stderr, "error: --exit wants a number from 0 to 255, not \"%s\"\n", number);
        return 2;
      }
      code = (int)value;
      greeted = 1;
    } else if (strcmp(argument, "-") == 0) {
      char line[1024];
      while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        printf("Hello, %s!\n", line);
      }
      greeted = 1;
    } else if (argument[0] == '-') {
      return misuse(argument);
    } else {
      printf("Hello, %s!\n", argument);
      greeted = 1;
    }
  }
  if (!greeted) puts("Hello, world!");
  return code;
}
