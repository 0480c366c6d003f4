/*
 * What a network and machines do to nodes, one thing at a time and more of it
 * than in test/sim/seeds.c: each scenario is a test, by its number where it has
 * one. docs/testing.md says where the others are.
 */
#include "program/batch.h"

/* So much of what is named, on links of one kind or the other. */
static void storm_of(const char *faults, int reliable, void (*more)(options *))
{
    sim *s = sim_new();
    options *o = (options *)malloc(sizeof *o);
    tally t;
    uint64_t seed, first = test_env("CRDT_SEED", 0);
    uint64_t count = first ? 1 : test_env("CRDT_SEEDS", 3000) / 100 + 1;
    memset(&t, 0, sizeof t);
    for (seed = first; o && seed < first + count && !t.failed; seed++) {
        options_choose(o, seed, 60);
        options_only(o, faults);
        o->reliable = (uint32_t)reliable;
        o->stream &= (uint32_t)reliable;
        if (more)
            more(o);
        batch_run(s, o, 0, NULL, &t);
    }
    CHECK(t.seeds == count && !t.failed);
    free(o);
    sim_free(s);
}

static void torn(options *o)
{
    o->stream = 1;
    o->tear = 100;
}

TEST(network_8_streams_are_torn)
{
    storm_of("tear", 1, torn);
}

static void partitions(options *o)
{
    often(o, ACT_partition, 12);
}

TEST(network_4_both_sides_of_a_partition_write)
{
    storm_of("partition", 1, partitions);
}

static void one_way(options *o)
{
    often(o, ACT_oneway, 20);
}

TEST(network_5_nothing_gets_through_one_way)
{
    storm_of("oneway", 1, one_way);
}

static void half_open(options *o)
{
    often(o, ACT_crash, 4);
    often(o, ACT_save, 10);
}

TEST(network_6_who_is_gone_without_a_word_is_found_dead)
{
    storm_of("crash,save", 1, half_open);
}

static void slow(options *o)
{
    often(o, ACT_slow, 20);
    often(o, ACT_bulk, 60);
    o->queue = o->message + 2000;
}

TEST(network_7_slow_readers_hold_nobody_else_up)
{
    storm_of("slow,bulk", 1, slow);
}

static void reconnecting(options *o)
{
    often(o, ACT_storm, 30);
    often(o, ACT_cut, 30);
}

TEST(network_11_all_links_break_again_and_again)
{
    storm_of("storm,cut", 1, reconnecting);
}

static void clogged(options *o)
{
    often(o, ACT_clog, 40);
}

TEST(network_14_links_clog_and_heal_in_waves)
{
    storm_of("clog", 1, clogged);
}

static void flipped(options *o)
{
    o->stream = 0;
    o->corrupt = 200;
}

TEST(identity_43_bits_flip)
{
    storm_of("corrupt", 1, flipped);
}

static void clocks(options *o)
{
    often(o, ACT_clock, 20);
}

TEST(identity_38_clocks_are_set_forth_and_back)
{
    storm_of("clock", 1, clocks);
}

static void no_memory(options *o)
{
    often(o, ACT_nomem, 15);
}

TEST(memory_is_refused)
{
    storm_of("nomem", 1, no_memory);
}

static void forgetting(options *o)
{
    often(o, ACT_truncate, 40);
}

TEST(identity_44_what_is_forgotten_does_not_come_back)
{
    storm_of("truncate,partition,save,crash", 1, forgetting);
}

static void comings(options *o)
{
    often(o, ACT_join, 4);
    often(o, ACT_leave, 3);
}

TEST(nodes_come_and_go)
{
    storm_of("join,leave", 1, comings);
}

static void lossy(options *o)
{
    o->loss = (uint32_t)(o->seed % 31);
}

TEST(network_1_up_to_30_percent_are_lost)
{
    storm_of("loss", 0, lossy);
}

static void twice(options *o)
{
    o->dup = (uint32_t)(o->seed % 51);
}

TEST(network_2_up_to_half_comes_twice)
{
    storm_of("dup", 0, twice);
}

static void reordered(options *o)
{
    o->reorder = 50;
}

TEST(network_3_half_is_overtaken)
{
    storm_of("reorder", 0, reordered);
}

/* Backups are made and restored, and disks are lost. */
static void restored(options *o)
{
    o->store = 1;
    often(o, ACT_save, 8);
    often(o, ACT_crash, 8);
}

TEST(identity_29_who_is_restored_is_somebody_else)
{
    storm_of("save,crash", 1, restored);
}

static void power_fails(options *o)
{
    o->store = 1;
    o->store_ms = 200;
    often(o, ACT_crash, 8);
}

TEST(identity_32_nothing_is_sent_before_it_is_safe)
{
    storm_of("crash", 1, power_fails);
}

static void letters(options *o)
{
    often(o, ACT_letter, 100);
}

TEST(identity_35_a_gap_is_refused)
{
    storm_of("letter,reincarnate", 1, letters);
}

static void ops_reordered(options *o)
{
    lossy(o);
    reordered(o);
    o->shipping = CRDT_SHIP_OPS;
}

TEST(identity_40_causes_are_late_or_lost)
{
    storm_of("loss,reorder,type", 0, ops_reordered);
}

/* >>members --------------------------------------------------------------- */

static void members(options *o)
{
    often(o, ACT_evict, 10);
    often(o, ACT_exile, 4);
    often(o, ACT_retire, 4);
    often(o, ACT_join, 3);
    often(o, ACT_leave, 2);
    o->history = 0;
    o->roster = 500;
}

TEST(members_join_leave_are_evicted_and_return)
{
    storm_of("evict,exile,retire,join,leave,partition,sync", 1, members);
}

static void syncs(options *o)
{
    often(o, ACT_sync, 8);
    often(o, ACT_upset, 8);
}

TEST(full_syncs_are_upset)
{
    storm_of("sync,upset,join,save,stop", 1, syncs);
}

TEST(full_syncs_are_upset_and_messages_lost)
{
    storm_of("loss,dup,reorder,sync,upset,partition", 0, syncs);
}

static void disks(options *o)
{
    o->store = 1;
    often(o, ACT_eio, 6);
    often(o, ACT_full, 6);
}

TEST(disks_fail_and_are_full)
{
    storm_of("eio,full,crash,stop,sync", 1, disks);
}

static void mixed(options *o)
{
    o->shipping = MIXED_SHIPPING;
}

TEST(each_ships_in_its_own_way)
{
    storm_of("loss,reorder,cut,type", 0, mixed);
}

static void present(options *o)
{
    often(o, ACT_present, 60);
}

TEST(all_see_what_others_show)
{
    storm_of("present,cut,stop,partition", 1, present);
    storm_of("present,loss,dup,reorder,cut", 0, present);
}

TEST_MAIN(
    CASE(network_8_streams_are_torn),
    CASE(network_4_both_sides_of_a_partition_write),
    CASE(network_5_nothing_gets_through_one_way),
    CASE(network_6_who_is_gone_without_a_word_is_found_dead),
    CASE(network_7_slow_readers_hold_nobody_else_up),
    CASE(network_11_all_links_break_again_and_again),
    CASE(network_14_links_clog_and_heal_in_waves), CASE(identity_43_bits_flip),
    CASE(identity_38_clocks_are_set_forth_and_back), CASE(memory_is_refused),
    CASE(identity_44_what_is_forgotten_does_not_come_back),
    CASE(nodes_come_and_go), CASE(network_1_up_to_30_percent_are_lost),
    CASE(network_2_up_to_half_comes_twice), CASE(network_3_half_is_overtaken),
    CASE(identity_29_who_is_restored_is_somebody_else),
    CASE(identity_32_nothing_is_sent_before_it_is_safe),
    CASE(identity_35_a_gap_is_refused),
    CASE(identity_40_causes_are_late_or_lost),
    CASE(members_join_leave_are_evicted_and_return),
    CASE(full_syncs_are_upset), CASE(full_syncs_are_upset_and_messages_lost),
    CASE(disks_fail_and_are_full), CASE(each_ships_in_its_own_way),
    CASE(all_see_what_others_show))
