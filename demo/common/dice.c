#include "posix.h"

#include "dice.h"

uint64_t dice_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int dice_amount(uint64_t *state)
{
    int amount = (int)(dice_next(state) % 200) - 100;
    return amount >= 0 ? amount + 1 : amount;
}
