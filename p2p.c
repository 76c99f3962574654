/* SPDX-License-Identifier: MIT */
/* The program: a table of commands, and main, which parses, runs one of them and turns faults into
 * one line on stderr. Everything else is below. */
#include "app/start.h"
#include "platform/plat.h"
#include "ui/doctor.h"
#include "ui/files.h"
#include "ui/get.h"
#include "ui/refresh.h"
#include "ui/session.h"
#include "ui/shell.h"
#include "ui/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int help_run(struct command_line *line);
static int version_run(struct command_line *line);

static const struct command commands[] = {
    {"index", start_index, "", 0, 0, "run an index: it knows who has which file",
     "Runs an index until Ctrl-C or SIGTERM. An index stores no file: peers tell it what they "
     "offer, and everybody asks it. It listens on port 7750 and shows a search page there.\n",
     "p2p index -l 7750"},
    {"peer", start_peer, "[DIR]", 0, 1, "share DIR (default ./share) with the network",
     "Offers all files below DIR, but hidden files and links, until Ctrl-C or SIGTERM. Changes "
     "in DIR are noticed. The peer joins the index that -i names, else one on this machine, and "
     "waits for it when it is not there yet. It listens on port 7751, else on the one it had "
     "last, else on any free one.\n",
     "p2p peer ./share -i 10.0.0.5"},
    {"both", start_both, "[DIR]", 0, 1, "an index and a peer in one process",
     "Runs an index that offers the files of DIR (default ./share) itself, on port 7750.\n",
     "p2p both ./share"},
    {"list", files_list, "[PREFIX]", 0, 1, "files in the network, one line per content",
     "Lists all files, or those whose path begins with PREFIX. In a pipe the columns are "
     "SHA-256 (- while it is not known), size, holders and name, with a TAB between them.\n",
     "p2p list music/"},
    {"search", files_search, "TEXT", 1, 1, "files whose path contains TEXT, or matches a glob",
     "TEXT is a part of the path in any case, or a glob when it has * ? or [ in it. Words of the "
     "form size>1M size<2G ext:iso node:NAME kind:owned kind:copy narrow the search. The columns "
     "are those of list.\n",
     "p2p search '*.iso size>100M'"},
    {"get", get_run, "WHAT...", 1, -1, "download a file by name or SHA-256, verified",
     "WHAT is a SHA-256, else a name as list shows it, else NAME@NODE (NODE is a name, or 8 or "
     "more digits of an id), else a glob, or a folder ending in /. Of a name only the last part "
     "is kept, of a folder all from its own name on. Bytes come from several holders, all are "
     "checked, and a file appears under its name when it is whole and right. What is there "
     "already is not fetched again, and a get that was interrupted goes on where it was. Another "
     "file is replaced only with --force. In a pipe a line is SHA-256, two blanks, path: what "
     "sha256sum -c reads.\n\n"
     "-o names a folder when it is one or ends in /, else a file. -o - writes one file to stdout "
     "when all of it is right. With --stream its bytes come in order as soon as they can, on "
     "little space: they are right only if the exit status is 0.\n\n"
     "Where a peer runs for this folder, a get without -o is its work: the file lands in its save "
     "folder and is offered on; what is in the share already stays where it is.\n\n"
     "While it runs, a get serves to others what it has of the file; with --linger for longer. "
     "In the end -v, a terminal and --json tell time, rate, sources, retries, waste, and how many "
     "times the bound it took: the time it would have taken had each source, while it was there, "
     "sent as fast as at its best, and all together no faster than this node received at its "
     "best.\n\n"
     "Failures are named, the rest goes on, and the exit status is that of the worst: 130 "
     "interrupted (143 by SIGTERM), 2, 3 no index, 5 wrong bytes only, 4 not found, 1 failed. "
     "With --json each of them is a line, too: path (what, for a WHAT of which nothing came), "
     "error, status.\n",
     "p2p get music/song.ogg photos/ '*.pdf' -o ~/inbox/"},
    {"who", files_who, "WHAT", 1, 1, "who holds a file, and how much of it",
     "WHAT is a name or a SHA-256. The columns are node, address, per cent, owned or copy, name.\n",
     "p2p who music/song.ogg"},
    {"status", status_run, "", 0, 0, "figures of this machine's node, or of the index",
     "Shows the figures of the node that runs for this folder, else of the index;\n"
     "of an index its nodes, too. --json is one document, the nodes as members.\n",
     "p2p status -i 10.0.0.5"},
    {"refresh", refresh_run, "[NAME]", 0, 1, "the copies of others' files here, and their state",
     "Names the copies of other nodes' files that this machine's node holds, or that of NAME.\n",
     "p2p refresh"},
    {"shell", shell_run, "", 0, 0, "a prompt for these commands, and wait and exit",
     "Reads commands, one a line, with quotes as in a shell: with line editing on a terminal, as "
     "plain lines from a pipe or a file. A wrong line says what is wrong, and the next one is "
     "read. The exit status is that of the last command.\n",
     "printf 'wait\\nlist\\n' | p2p shell"},
    {"doctor", doctor_run, "", 0, 0, "what is wrong here, and what to do about it",
     "Checks node, network both ways, clock, folders, limits and speed, one line each: ok, info, "
     "warn or FAIL, what was found and its cure. Writes 4 MiB for a moment to see how fast a disk "
     "is. Exit status 1 when something is wrong.\n",
     "p2p doctor -i 10.0.0.5"},
    {"help", help_run, "[COMMAND]", 0, 1, "this help, or that of a command",
     "Prints what the program, or one of its commands, can do.\n", "p2p help get"},
    {"version", version_run, "", 0, 0, "the version", "Prints the version.\n", "p2p version"},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};

static int help_run(struct command_line *line)
{
    const struct command *about = NULL;
    char err[256];

    if (line->count > 0 &&
        (about = options_find(line->commands, line->words[0], err, sizeof err)) == NULL) {
        session_say("%s", err);
        return P2P_EXIT_USAGE;
    }
    options_help(line->commands, about);
    return P2P_EXIT_OK;
}

static int version_run(struct command_line *line)
{
    (void)line;
    printf("p2p " P2P_VERSION "\n");
    return P2P_EXIT_OK;
}

/* What was printed must have arrived; a reader that went away has had enough and needs no word. */
static int finish_output(int status)
{
    bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;

    if (failed && plat_error() != -P2P_ECLOSED) {
        session_say("cannot write to standard output: %s", plat_reason());
    }
    return failed && status == P2P_EXIT_OK ? P2P_EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
    static struct command_line line;
    static const char *words[OPTIONS_WORDS_MAX];
    char err[1024] = "";
    int status = P2P_EXIT_OK;

    line.commands = commands;
    line.words = words;
    line.argc = argc;
    line.argv = argv;
    int parsed = options_parse(&line, err, sizeof err);
    if (argc < 2) {
        session_say("a command is missing, such as p2p both; see p2p help");
        status = P2P_EXIT_USAGE;
    } else if (parsed < 0) {
        session_say("%s", err);
        status = P2P_EXIT_USAGE;
    } else if (parsed > 0) {
        options_help(commands, line.command);
    } else {
        status = line.command->run(&line);
    }
    if (status >= P2P_EXIT_HUNG_UP) {
        plat_end_within(2, status); /* whoever reads the rest may stand still */
    }
    exit(finish_output(status));
}
